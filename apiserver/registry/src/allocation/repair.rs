//! Puts stored allocations right: what services hold is taken, what nobody holds is freed after some rounds.
//!
//! Source: `pkg/registry/core/service/{ipallocator,portallocator}/controller`.

use super::{
    addresses::{AddressError, Addresses, LABEL_MANAGED_BY, MANAGER},
    hooks::held_addresses,
    node_ports,
    port_range::{Ports, SharedPorts},
};
use crate::{context::Context, objects::Objects};
use api_types::{core::v1::Service, networking::v1::IPAddress};
use machinery::status::StatusError;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

/// Rounds in which something nobody holds must be seen before it is freed: writes may be under way.
const ROUNDS: u32 = 3;
/// Time between rounds.
const INTERVAL: Duration = Duration::from_secs(180);

/// Compares allocations with services, at start and from time to time.
pub struct Repair {
    addresses: Addresses,
    ports: Arc<dyn SharedPorts>,
    objects: Arc<dyn Objects>,
    leaked_ports: BTreeMap<i32, u32>,
    leaked_addresses: BTreeMap<IpAddr, u32>,
}

/// The ports that should be taken; ports of `stored` without service stay taken for [`ROUNDS`] rounds.
pub fn rebuild(stored: &Ports, services: &[Service], fresh: Ports, leaked: &mut BTreeMap<i32, u32>) -> Ports {
    let mut rebuilt = fresh;
    for service in services {
        let meta = &service.metadata;
        for port in node_ports::held(&service.spec) {
            leaked.remove(&port);
            if let Err(error) = rebuilt.take(port) {
                tracing::error!(port, service = %meta.name, namespace = %meta.namespace, %error, "the node port of a service cannot be kept; please recreate it");
            } else if !stored.has(port) {
                tracing::warn!(port, service = %meta.name, namespace = %meta.namespace, "the node port of a service is not allocated; repairing");
            }
        }
    }
    for port in stored.all() {
        if rebuilt.has(port) {
            continue;
        }
        let rounds = leaked.entry(port).or_default();
        *rounds += 1;
        if *rounds < ROUNDS {
            let _ = rebuilt.take(port);
        } else {
            leaked.remove(&port);
            tracing::warn!(port, "the node port appears to have leaked: cleaning up");
        }
    }
    rebuilt
}

impl Repair {
    /// Over the same ranges as the hooks.
    pub fn new(addresses: Addresses, ports: Arc<dyn SharedPorts>, objects: Arc<dyn Objects>) -> Repair {
        Repair { addresses, ports, objects, leaked_ports: BTreeMap::new(), leaked_addresses: BTreeMap::new() }
    }

    async fn services(&self) -> Result<Vec<Service>, StatusError> {
        let entry = crate::find("", "v1", "services")
            .ok_or_else(|| StatusError::internal_error("services are not served"))?;
        let listed = self.objects.list(entry.at("", "")).await?;
        Ok(listed.iter().filter_map(|object| object.downcast_ref().cloned()).collect())
    }

    /// One round.
    pub async fn run_once(&mut self) -> Result<(), StatusError> {
        let services = self.services().await?;
        let range = self.ports.read().await?;
        let mut leaked = BTreeMap::new();
        let before = self.leaked_ports.clone();
        let fresh = {
            let mut fresh = range.clone();
            range.all().for_each(|port| fresh.release(port));
            fresh
        };
        let step = Box::new(|stored: &mut Ports| {
            leaked = before.clone();
            *stored = rebuild(stored, &services, fresh.clone(), &mut leaked);
            Ok(())
        });
        self.ports.change(step).await?;
        self.leaked_ports = leaked;
        self.repair_addresses(&services).await
    }

    async fn repair_addresses(&mut self, services: &[Service]) -> Result<(), StatusError> {
        let context = Context::system(jiff::Timestamp::now());
        let entry = crate::find("networking.k8s.io", "v1", "ipaddresses")
            .ok_or_else(|| StatusError::internal_error("ipaddresses are not served"))?;
        let mut reserved: BTreeMap<IpAddr, (String, String)> = BTreeMap::new();
        for object in self.objects.list(entry.at("", "")).await? {
            let Some(address) = object.downcast_ref::<IPAddress>() else { continue };
            let ours =
                address.metadata.labels.get(LABEL_MANAGED_BY).is_some_and(|manager| manager == MANAGER);
            if let (true, Ok(ip)) = (ours, address.metadata.name.parse()) {
                let parent = address.spec.parent_ref.clone().unwrap_or_default();
                reserved.insert(ip, (parent.namespace, parent.name));
            }
        }
        for service in services {
            let meta = &service.metadata;
            for ip in held_addresses(service) {
                self.leaked_addresses.remove(&ip);
                match reserved.remove(&ip) {
                    Some((namespace, name)) if namespace == meta.namespace && name == meta.name => {}
                    Some((namespace, name)) => {
                        tracing::error!(%ip, service = %meta.name, namespace = %meta.namespace, holder = %format!("{namespace}/{name}"), "the cluster IP was assigned to multiple services; please recreate")
                    }
                    None => match self.addresses.reserve(&context, service, ip).await {
                        Ok(()) | Err(AddressError::Taken) => {
                            tracing::warn!(%ip, service = %meta.name, namespace = %meta.namespace, "the cluster IP of a service was not allocated; repaired")
                        }
                        Err(error) => return Err(StatusError::internal_error(error)),
                    },
                }
            }
        }
        self.leaked_addresses.retain(|ip, _| reserved.contains_key(ip));
        for ip in reserved.into_keys() {
            let rounds = self.leaked_addresses.entry(ip).or_default();
            *rounds += 1;
            if *rounds >= ROUNDS {
                self.leaked_addresses.remove(&ip);
                tracing::warn!(%ip, "the cluster IP appears to have leaked: cleaning up");
                self.addresses.release(&context, ip).await;
            }
        }
        Ok(())
    }

    /// Rounds for ever; the first one right away.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.run_once().await {
                tracing::error!(%error, "allocations of services not repaired");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
