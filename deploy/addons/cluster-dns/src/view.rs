//! What the API says of Services and endpoints, as the answers need it.

use std::net::IpAddr;
use std::sync::Arc;

use api_types::core::v1::{Namespace, Service};
use api_types::discovery::v1::EndpointSlice;
use runtime::Store;

/// Index of slices by `namespace/service`.
pub const BY_SERVICE: &str = "service";
/// Index of Services and slices by address.
pub const BY_ADDRESS: &str = "address";

/// Caches of the API.
#[derive(Clone, Debug)]
pub struct View {
    /// All namespaces.
    pub namespaces: Store<Namespace>,
    /// All Services, indexed by [`BY_ADDRESS`].
    pub services: Store<Service>,
    /// All EndpointSlices, indexed by [`BY_SERVICE`] and [`BY_ADDRESS`].
    pub slices: Store<EndpointSlice>,
}

/// Index function of [`BY_SERVICE`].
pub fn service_of(slice: &EndpointSlice) -> Vec<String> {
    let service = slice.metadata.labels.get("kubernetes.io/service-name");
    service.map(|service| format!("{}/{service}", slice.metadata.namespace)).into_iter().collect()
}

/// Index function of [`BY_ADDRESS`] for slices.
pub fn endpoint_addresses(slice: &EndpointSlice) -> Vec<String> {
    slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().cloned()).collect()
}

/// Index function of [`BY_ADDRESS`] for Services.
pub fn cluster_ips(service: &Service) -> Vec<String> {
    service.spec.cluster_ips.iter().filter(|ip| *ip != "None").cloned().collect()
}

/// An endpoint of a headless Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// Its host name, or its address with dashes.
    pub hostname: String,
    /// Its address.
    pub address: IpAddr,
    /// Its ports: (name, protocol in lower case, number).
    pub ports: Vec<(String, String, u16)>,
}

impl View {
    /// True when the namespace exists.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.get_by("", name).is_some()
    }

    /// A Service by its name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.services.get_by(namespace, name)
    }

    /// The Service with a cluster IP.
    pub fn service_with_address(&self, address: IpAddr) -> Option<Arc<Service>> {
        self.services.by_index(BY_ADDRESS, &address.to_string()).into_iter().next()
    }

    /// Endpoints of a Service: those that are ready, or all when the Service publishes the others too.
    pub fn endpoints(&self, service: &Service) -> Vec<NamedEndpoint> {
        let key = format!("{}/{}", service.metadata.namespace, service.metadata.name);
        let all = service.spec.publish_not_ready_addresses;
        self.slices.by_index(BY_SERVICE, &key).iter().flat_map(|slice| of_slice(slice, all)).collect()
    }

    /// Endpoints with an address, with the `namespace/name` of their Services.
    pub fn endpoints_with_address(&self, address: IpAddr) -> Vec<(String, NamedEndpoint)> {
        let slices = self.slices.by_index(BY_ADDRESS, &address.to_string());
        let named = slices.iter().flat_map(|slice| {
            let service = service_of(slice).pop();
            of_slice(slice, true).into_iter().filter_map(move |endpoint| Some((service.clone()?, endpoint)))
        });
        named.filter(|(_, endpoint)| endpoint.address == address).collect()
    }
}

fn of_slice(slice: &EndpointSlice, all: bool) -> Vec<NamedEndpoint> {
    let ports: Vec<(String, String, u16)> = slice
        .ports
        .iter()
        .filter_map(|port| {
            let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
            Some((port.name.clone().unwrap_or_default(), protocol, u16::try_from(port.port?).ok()?))
        })
        .collect();
    let ready = slice.endpoints.iter().filter(|endpoint| all || endpoint.conditions.ready.unwrap_or(true));
    ready
        .flat_map(|endpoint| {
            endpoint.addresses.iter().filter_map(|text| {
                let address: IpAddr = text.parse().ok()?;
                let hostname = endpoint.hostname.clone().filter(|name| !name.is_empty());
                let hostname = hostname.unwrap_or_else(|| text.replace(['.', ':'], "-"));
                Some(NamedEndpoint { hostname, address, ports: ports.clone() })
            })
        })
        .collect()
}
