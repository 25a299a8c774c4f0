//! Addresses out of service CIDRs.
//!
//! Source: `pkg/registry/core/service/ipallocator`.

use crate::{
    context::Context,
    entry::Entry,
    objects::{Address, Objects},
};
use api_types::{
    core::v1::Service,
    networking::v1::{IPAddress, IPAddressSpec, ParentReference, ServiceCIDR},
};
use ipnet::IpNet;
use machinery::{
    Time,
    meta::v1::{DeleteOptions, ObjectMeta},
    status::StatusError,
};
use rand::RngExt;
use rules::core::v1::service::meaning::family;
use std::{net::IpAddr, sync::Arc};

/// Label with the family of a reserved address.
pub const LABEL_FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
/// Label with who reserved it.
pub const LABEL_MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
/// Value of [`LABEL_MANAGED_BY`] for cluster IPs.
pub const MANAGER: &str = "ipallocator.k8s.io";
/// Random places tried in a range before it is walked through.
const RANDOM_TRIES: usize = 64;
/// Addresses a walk through a range looks at.
const LONGEST_WALK: u128 = 1 << 20;

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

/// The addresses of one block that services may have: without the network's own and, in IPv4, the broadcast address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPool {
    block: IpNet,
    first: u128,
    last: u128,
}

impl AddressPool {
    /// Of a block; `None` when it is too small for any service.
    pub fn new(block: IpNet) -> Option<AddressPool> {
        let block = block.trunc();
        let network = number(block.network());
        let end = number(block.broadcast());
        let (first, last) =
            (network.checked_add(1)?, if block.addr().is_ipv4() { end.checked_sub(1)? } else { end });
        (first <= last).then_some(AddressPool { block, first, last })
    }

    /// `IPv4` or `IPv6`.
    pub fn family(&self) -> &'static str {
        family(&self.block.addr())
    }

    /// The block as text.
    pub fn block(&self) -> IpNet {
        self.block
    }

    /// True when services may have `ip`.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.block.addr().is_ipv4() && (self.first..=self.last).contains(&number(ip))
    }

    fn size(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// How many addresses at the start are left to those who ask for certain ones, as long as others are free.
    pub fn reserved(&self) -> u128 {
        let size = self.size();
        if size <= 16 { 0 } else { (size / 16).clamp(16, 256) }
    }

    fn address(&self, offset: u128) -> IpAddr {
        let number = self.first + offset;
        match self.block.addr() {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
            IpAddr::V6(_) => IpAddr::V6(number.into()),
        }
    }

    /// Addresses to try: all from a random place of the upper part on, then all of the lower part, wrapping around.
    pub fn candidates(&self, mut random: impl RngExt) -> impl Iterator<Item = IpAddr> {
        let (size, reserved, pool) = (self.size(), self.reserved(), *self);
        let upper = size - reserved;
        let guesses: Vec<u128> =
            (0..RANDOM_TRIES).map(|_| reserved + random.random_range(0..upper)).collect();
        let start = random.random_range(0..upper);
        let lower_start = if reserved == 0 { 0 } else { random.random_range(0..reserved) };
        let walk = (0..upper.min(LONGEST_WALK)).map(move |step| reserved + (start + step) % upper);
        let lower = (0..reserved).map(move |step| (lower_start + step) % reserved);
        guesses.into_iter().chain(walk).chain(lower).map(move |offset| pool.address(offset))
    }
}

/// Why an address could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Someone has it.
    #[error("provided IP is already allocated")]
    Taken,
    /// No range has it.
    #[error("provided IP is not in the valid range. The range of valid IPs is {0}")]
    OutOfRange(String),
    /// All are taken.
    #[error("range is full")]
    Full,
    /// The store failed.
    #[error("{0}")]
    Store(String),
}

/// The ranges of a cluster and the reservations in them.
pub struct Addresses {
    objects: Arc<dyn Objects>,
    configured: Vec<AddressPool>,
}

fn row(plural: &str) -> Result<&'static Entry, AddressError> {
    crate::find("networking.k8s.io", "v1", plural)
        .ok_or_else(|| AddressError::Store(format!("{plural} are not served")))
}

fn at(name: &str) -> Result<Address<'_>, AddressError> {
    Ok(Address { entry: row("ipaddresses")?, namespace: "", name })
}

impl Addresses {
    /// Over the blocks the server was started with; the first one's family is the default.
    pub fn new(objects: Arc<dyn Objects>, blocks: &[IpNet]) -> Addresses {
        Addresses {
            objects,
            configured: blocks.iter().filter_map(|block| AddressPool::new(*block)).collect(),
        }
    }

    /// Families of the cluster, the default first.
    pub fn families(&self) -> Vec<&'static str> {
        let mut families: Vec<&'static str> = Vec::new();
        for pool in &self.configured {
            if !families.contains(&pool.family()) {
                families.push(pool.family());
            }
        }
        families
    }

    /// The configured blocks and those of ready service CIDRs.
    async fn pools(&self, family: &str) -> Vec<AddressPool> {
        let mut pools = self.configured.clone();
        if let Ok(entry) = row("servicecidrs") {
            let listed = self.objects.list(entry.at("", "")).await.unwrap_or_default();
            for object in &listed {
                let Some(range) = object.downcast_ref::<ServiceCIDR>() else { continue };
                let ready = range
                    .status
                    .conditions
                    .iter()
                    .all(|condition| condition.type_ != "Ready" || condition.status == "True");
                if range.metadata.deletion_timestamp.is_some() || !ready {
                    continue;
                }
                let blocks = range.spec.cidrs.iter().filter_map(|cidr| cidr.parse().ok());
                pools.extend(blocks.filter_map(AddressPool::new));
            }
        }
        pools.sort_by_key(|pool| (pool.first, pool.last));
        pools.dedup();
        pools.retain(|pool| pool.family() == family);
        pools
    }

    /// Reserves `ip` for a service.
    pub async fn take(&self, context: &Context, service: &Service, ip: IpAddr) -> Result<(), AddressError> {
        let pools = self.pools(family(&ip)).await;
        if !pools.iter().any(|pool| pool.contains(ip)) {
            let blocks: Vec<String> = pools.iter().map(|pool| pool.block.to_string()).collect();
            return Err(AddressError::OutOfRange(blocks.join(", ")));
        }
        self.reserve(context, service, ip).await
    }

    /// Reserves any address of a family.
    pub async fn take_any(
        &self,
        context: &Context,
        service: &Service,
        family: &str,
    ) -> Result<IpAddr, AddressError> {
        for pool in self.pools(family).await {
            let candidates: Vec<IpAddr> = pool.candidates(rand::rng()).take(RANDOM_TRIES).collect();
            for ip in candidates {
                match self.reserve(context, service, ip).await {
                    Err(AddressError::Taken) => {}
                    other => return other.map(|()| ip),
                }
            }
            let taken = self.taken().await;
            let free: Vec<IpAddr> =
                pool.candidates(rand::rng()).filter(|ip| !taken.contains(ip)).take(RANDOM_TRIES).collect();
            for ip in free {
                match self.reserve(context, service, ip).await {
                    Err(AddressError::Taken) => {}
                    other => return other.map(|()| ip),
                }
            }
        }
        Err(AddressError::Full)
    }

    async fn taken(&self) -> hashbrown::HashSet<IpAddr> {
        let Ok(entry) = row("ipaddresses") else { return Default::default() };
        let listed = self.objects.list(entry.at("", "")).await.unwrap_or_default();
        listed.iter().filter_map(|object| object.meta().name.parse().ok()).collect()
    }

    /// Writes the reservation; on dry run only looks whether the address is free.
    pub(super) async fn reserve(
        &self,
        context: &Context,
        service: &Service,
        ip: IpAddr,
    ) -> Result<(), AddressError> {
        let name = ip.to_string();
        if context.dry_run {
            return match self.objects.get(at(&name)?).await {
                Ok(_) => Err(AddressError::Taken),
                Err(error) if error.is_not_found() => Ok(()),
                Err(error) => Err(AddressError::Store(error.to_string())),
            };
        }
        let object = reservation(context, service, ip);
        match self.objects.create(context, at(&name)?, Box::new(object)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Err(AddressError::Taken),
            Err(error) => Err(AddressError::Store(error.to_string())),
        }
    }

    /// Gives an address back.
    pub async fn release(&self, context: &Context, ip: IpAddr) {
        let name = ip.to_string();
        let outcome = match at(&name) {
            Ok(at) => self.objects.delete(context, at, &DeleteOptions::default()).await,
            Err(error) => Err(StatusError::internal_error(error)),
        };
        if let Err(error) = outcome
            && !error.is_not_found()
        {
            // The repair loop finds it again.
            tracing::warn!(%ip, %error, "cluster IP not released");
        }
    }
}

/// The object that reserves `ip`.
pub fn reservation(context: &Context, service: &Service, ip: IpAddr) -> IPAddress {
    let labels = [(LABEL_FAMILY, family(&ip)), (LABEL_MANAGED_BY, MANAGER)];
    IPAddress {
        metadata: ObjectMeta {
            name: ip.to_string(),
            uid: uuid::Uuid::new_v4().to_string(),
            creation_timestamp: Time::from(context.now),
            generation: 1,
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..ObjectMeta::default()
        },
        spec: IPAddressSpec {
            parent_ref: Some(Box::new(ParentReference {
                resource: "services".to_owned(),
                namespace: service.metadata.namespace.clone(),
                name: service.metadata.name.clone(),
                ..ParentReference::default()
            })),
        },
    }
}
