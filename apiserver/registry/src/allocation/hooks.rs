//! The work around writes of services.

use super::{
    addresses::{AddressError, Addresses},
    families,
    node_ports::{self, Moves},
    port_range::{Ports, SharedPorts},
};
use crate::{
    context::Context,
    objects::{Objects, Pending, Reservation, WriteHooks},
};
use api_types::core::v1::Service;
use machinery::{
    field::{ErrorList, Path},
    meta::v1::DeleteOptions,
    object::Object,
    status::StatusError,
};
use rules::{addresses::parse_ip_sloppy, core::v1::service::meaning::NO_CLUSTER_IP, report::Report};
use std::{net::IpAddr, sync::Arc};

/// Gives services their addresses and ports.
pub struct ServiceAllocation {
    shared: Arc<Shared>,
}

struct Shared {
    addresses: Addresses,
    ports: Arc<dyn SharedPorts>,
    objects: Arc<dyn Objects>,
}

/// What one write took.
struct Taken {
    shared: Arc<Shared>,
    context: Context,
    addresses: Vec<IpAddr>,
    released_addresses: Vec<IpAddr>,
    ports: Moves,
}

impl Shared {
    async fn release(&self, context: &Context, addresses: &[IpAddr], ports: &[i32]) {
        for ip in addresses {
            self.addresses.release(context, *ip).await;
        }
        if ports.is_empty() {
            return;
        }
        let step = Box::new(|stored: &mut Ports| {
            ports.iter().for_each(|port| stored.release(*port));
            Ok(())
        });
        if let Err(error) = self.ports.change(step).await {
            tracing::warn!(?ports, %error, "node ports not released");
        }
    }

    /// The address at `index` of the service's families: the one asked for, or any.
    async fn take_address(
        &self,
        context: &Context,
        service: &mut Service,
        index: usize,
    ) -> Result<IpAddr, StatusError> {
        let path = Path::of(&["spec", "clusterIPs"]);
        let asked = service.spec.cluster_ips.get(index).cloned().unwrap_or_default();
        if service.spec.cluster_ips.len() <= index {
            service.spec.cluster_ips.resize(index + 1, String::new());
        }
        let refused = |why: String| {
            let mut errors = ErrorList::new();
            errors.invalid(&path, &service.spec.cluster_ips, why);
            families::invalid(service, errors)
        };
        let ip = if asked.is_empty() {
            let family = service.spec.ip_families[index].clone();
            match self.addresses.take_any(context, service, &family).await {
                Ok(ip) => ip,
                Err(error @ AddressError::Full) => {
                    let name = &service.metadata.name;
                    return Err(StatusError::internal_error(format!(
                        "failed to allocate a serviceIP for Service {name:?}: {error}"
                    )));
                }
                Err(error) => return Err(refused(format!("failed to allocate IP: {error}"))),
            }
        } else {
            let Some(ip) = parse_ip_sloppy(&asked) else {
                return Err(StatusError::internal_error(format!("failed to parse service IP {asked:?}")));
            };
            self.addresses
                .take(context, service, ip)
                .await
                .map_err(|error| refused(format!("failed to allocate IP {asked}: {error}")))?;
            ip
        };
        if asked.is_empty() {
            service.spec.cluster_ips[index] = ip.to_string();
        }
        if index == 0 {
            service.spec.cluster_ip.clone_from(&service.spec.cluster_ips[0]);
        }
        Ok(ip)
    }

    /// Addresses for the families from `first` on; all or none.
    async fn take_addresses(
        &self,
        context: &Context,
        service: &mut Service,
        first: usize,
    ) -> Result<Vec<IpAddr>, StatusError> {
        let mut taken = Vec::new();
        for index in first..service.spec.ip_families.len() {
            match self.take_address(context, service, index).await {
                Ok(ip) => taken.push(ip),
                Err(error) => {
                    if !context.dry_run {
                        self.release(context, &taken, &[]).await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    /// Runs `choose` on the stored ports; on dry run on a copy of them.
    async fn move_ports(
        &self,
        context: &Context,
        service: &mut Service,
        mut choose: impl FnMut(&mut Service, &mut Ports) -> Result<Moves, StatusError> + Send,
    ) -> Result<Moves, StatusError> {
        // Most writes need no port at all, which is found out without the store.
        let idle = Ports::new(0..=u16::MAX);
        let mut trial = service.clone();
        if choose(&mut trial, &mut idle.clone()).is_ok_and(|moves| moves == Moves::default()) {
            *service = trial;
            return Ok(Moves::default());
        }
        let (original, mut moves) = (service.clone(), Moves::default());
        let mut step = |stored: &mut Ports| {
            *service = original.clone();
            moves = choose(service, stored)?;
            Ok(())
        };
        if context.dry_run {
            step(&mut self.ports.read().await?)?;
        } else {
            self.ports.change(Box::new(&mut step)).await?;
        }
        Ok(moves)
    }
}

/// Addresses a service holds.
pub(super) fn held_addresses(service: &Service) -> Vec<IpAddr> {
    if service.spec.type_ == "ExternalName" {
        return Vec::new();
    }
    service.spec.cluster_ips.iter().filter_map(|ip| parse_ip_sloppy(ip)).collect()
}

fn is_headless(service: &Service) -> bool {
    service.spec.cluster_ips.first().is_some_and(|ip| ip == NO_CLUSTER_IP)
}

impl ServiceAllocation {
    /// Over the ranges of a server.
    pub fn new(
        addresses: Addresses,
        ports: Arc<dyn SharedPorts>,
        objects: Arc<dyn Objects>,
    ) -> ServiceAllocation {
        ServiceAllocation { shared: Arc::new(Shared { addresses, ports, objects }) }
    }

    async fn create(&self, context: &Context, service: &mut Service) -> Result<Taken, StatusError> {
        let shared = &self.shared;
        families::normalize(&mut service.spec, None);
        families::settle(service, None, &shared.addresses.families())?;
        let mut taken = self.nothing(context);
        if service.spec.type_ != "ExternalName" && !is_headless(service) {
            taken.addresses = shared.take_addresses(context, service, 0).await?;
        }
        self.with_ports(taken, service, node_ports::create).await
    }

    async fn update(
        &self,
        context: &Context,
        new: &mut Service,
        old: &Service,
    ) -> Result<Taken, StatusError> {
        let shared = &self.shared;
        let configured = shared.addresses.families();
        let mut filled = old.clone();
        families::fill_stored(&mut filled, &configured);
        let old = &filled;
        families::keep_allocated(&mut new.spec, &old.spec);
        families::normalize(&mut new.spec, Some(&old.spec));
        families::settle(new, Some(old), &configured)?;
        let mut taken = self.nothing(context);
        if !families::is_settled(&new.spec, &old.spec) {
            let (was_name, is_name) = (old.spec.type_ == "ExternalName", new.spec.type_ == "ExternalName");
            let (before, now) = (old.spec.ip_families.len(), new.spec.ip_families.len());
            if was_name && !is_name {
                if !is_headless(new) {
                    taken.addresses = shared.take_addresses(context, new, 0).await?;
                }
            } else if is_headless(old) {
                // Nothing is held.
            } else if !was_name && is_name {
                taken.released_addresses = held_addresses(old);
            } else if before == 1 && now == 2 {
                taken.addresses = shared.take_addresses(context, new, 1).await?;
            } else if before == 2 && now == 1 {
                taken.released_addresses = held_addresses(old).into_iter().skip(1).collect();
            }
        }
        let old = old.clone();
        self.with_ports(taken, new, move |new, ports| node_ports::update(new, &old, ports)).await
    }

    fn nothing(&self, context: &Context) -> Taken {
        Taken {
            shared: self.shared.clone(),
            context: context.clone(),
            addresses: Vec::new(),
            released_addresses: Vec::new(),
            ports: Moves::default(),
        }
    }

    async fn with_ports(
        &self,
        mut taken: Taken,
        service: &mut Service,
        choose: impl FnMut(&mut Service, &mut Ports) -> Result<Moves, StatusError> + Send,
    ) -> Result<Taken, StatusError> {
        match self.shared.move_ports(&taken.context, service, choose).await {
            Ok(moves) => {
                taken.ports = moves;
                Ok(taken)
            }
            Err(error) => {
                Box::new(taken).give_back().await;
                Err(error)
            }
        }
    }
}

impl Reservation for Taken {
    fn keep<'a>(self: Box<Self>) -> Pending<'a, ()> {
        Box::pin(async move {
            if !self.context.dry_run {
                self.shared.release(&self.context, &self.released_addresses, &self.ports.released).await;
            }
        })
    }

    fn give_back<'a>(self: Box<Self>) -> Pending<'a, ()> {
        Box::pin(async move {
            if !self.context.dry_run {
                self.shared.release(&self.context, &self.addresses, &self.ports.taken).await;
            }
        })
    }
}

fn typed(object: &dyn Object) -> Result<&Service, StatusError> {
    object.downcast_ref().ok_or_else(|| StatusError::internal_error("the object is not a service"))
}

fn typed_mut(object: &mut dyn Object) -> Result<&mut Service, StatusError> {
    object.downcast_mut().ok_or_else(|| StatusError::internal_error("the object is not a service"))
}

impl WriteHooks for ServiceAllocation {
    fn begin_create<'a>(
        &'a self,
        context: &'a Context,
        object: &'a mut dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>> {
        Box::pin(async move {
            let taken: Box<dyn Reservation> = Box::new(self.create(context, typed_mut(object)?).await?);
            Ok(Some(taken))
        })
    }

    fn begin_update<'a>(
        &'a self,
        context: &'a Context,
        new: &'a mut dyn Object,
        old: &'a dyn Object,
    ) -> Pending<'a, Result<Option<Box<dyn Reservation>>, StatusError>> {
        Box::pin(async move {
            let taken: Box<dyn Reservation> =
                Box::new(self.update(context, typed_mut(new)?, typed(old)?).await?);
            Ok(Some(taken))
        })
    }

    fn after_delete<'a>(&'a self, context: &'a Context, object: &'a dyn Object) -> Pending<'a, ()> {
        Box::pin(async move {
            let Ok(service) = typed(object) else { return };
            if context.dry_run {
                return;
            }
            let meta = &service.metadata;
            // A new service of the same name must not find the endpoints of this one.
            if let Some(entry) = crate::find("", "v1", "endpoints") {
                let gone = self
                    .shared
                    .objects
                    .delete(context, entry.at(&meta.namespace, &meta.name), &DeleteOptions::default())
                    .await;
                if let Err(error) = gone
                    && !error.is_not_found()
                {
                    tracing::warn!(service = %meta.name, namespace = %meta.namespace, %error, "endpoints of a deleted service not deleted");
                }
            }
            self.shared.release(context, &held_addresses(service), &node_ports::held(&service.spec)).await;
        })
    }
}
