//! From Services and EndpointSlices of the API to [`ServicePort`]s, remembering which Services changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use api_types::core::v1::{Service, ServicePort as ApiPort};
use api_types::discovery::v1::EndpointSlice;

use crate::model::{Endpoint, Family, Protocol, ServicePort};

/// Label of a slice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a Service that another proxy serves.
const OTHER_PROXY: &str = "service.kubernetes.io/service-proxy-name";
/// Label of a Service without rules.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// All Services and EndpointSlices that the API has.
#[derive(Debug, Default)]
pub struct Changes {
    services: HashMap<String, Service>,
    slices: HashMap<String, BTreeMap<String, EndpointSlice>>,
    dirty: BTreeSet<String>,
}

impl Changes {
    /// Takes a Service in; `None` when it went. `key` is `namespace/name`.
    pub fn set_service(&mut self, key: &str, service: Option<Service>) {
        match service {
            Some(service) => self.services.insert(key.to_owned(), service),
            None => self.services.remove(key),
        };
        self.dirty.insert(key.to_owned());
    }

    /// Takes an EndpointSlice in. `key` is `namespace/name`.
    pub fn set_slice(&mut self, key: &str, slice: EndpointSlice) {
        let Some(service) = slice.metadata.labels.get(SERVICE_NAME) else { return self.remove_slice(key) };
        let service = format!("{}/{service}", slice.metadata.namespace);
        self.slices.entry(service.clone()).or_default().insert(key.to_owned(), slice);
        self.dirty.insert(service);
    }

    /// Forgets an EndpointSlice.
    pub fn remove_slice(&mut self, key: &str) {
        for (service, slices) in &mut self.slices {
            if slices.remove(key).is_some() {
                self.dirty.insert(service.clone());
            }
        }
        self.slices.retain(|_, slices| !slices.is_empty());
    }

    /// Every Service counts as changed, as after a change of the node's zone.
    pub fn touch_all(&mut self) {
        self.dirty.extend(self.services.keys().cloned());
    }

    /// Services which changed since the last call, with their ports of one family as they are now.
    pub fn take(&mut self, families: &[Family], node: &str) -> Vec<(String, Vec<ServicePort>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|key| (key.clone(), self.ports(&key, families, node))).collect()
    }

    fn ports(&self, key: &str, families: &[Family], node: &str) -> Vec<ServicePort> {
        let Some(service) = self.services.get(key).filter(|service| served(service)) else {
            return Vec::new();
        };
        let spec = &service.spec;
        let mut cluster_ips: Vec<IpAddr> = spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok()).collect();
        if cluster_ips.is_empty() {
            cluster_ips.extend(spec.cluster_ip.parse::<IpAddr>());
        }
        let mut ports = Vec::new();
        for cluster_ip in cluster_ips.into_iter().filter(|ip| families.contains(&Family::of(ip))) {
            for port in &spec.ports {
                ports.extend(self.port(key, service, port, cluster_ip, node));
            }
        }
        ports
    }

    fn port(
        &self,
        key: &str,
        service: &Service,
        port: &ApiPort,
        ip: IpAddr,
        node: &str,
    ) -> Option<ServicePort> {
        let spec = &service.spec;
        let family = Family::of(&ip);
        let of_family = |text: &String| text.parse().ok().filter(|ip| Family::of(ip) == family);
        let ingress = service.status.load_balancer.ingress.iter();
        let ingress = ingress.filter(|ingress| ingress.ip_mode.as_deref().unwrap_or("VIP") == "VIP");
        let affinity = || {
            let config = spec.session_affinity_config.as_deref()?.client_ip.as_deref()?;
            u32::try_from(config.timeout_seconds?).ok()
        };
        let external =
            matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer") || !spec.external_ips.is_empty();
        Some(ServicePort {
            name: format!("{key}:{}{}", port.name, if family == Family::V6 { ":6" } else { "" }),
            protocol: Protocol::parse(&port.protocol)?,
            cluster_ip: ip,
            port: u16::try_from(port.port).ok()?,
            node_port: u16::try_from(port.node_port).ok()?,
            external_ips: spec.external_ips.iter().filter_map(of_family).collect(),
            load_balancer_ips: ingress.filter_map(|ingress| of_family(&ingress.ip)).collect(),
            source_ranges: spec
                .load_balancer_source_ranges
                .iter()
                .filter_map(|r| r.trim().parse().ok())
                .collect(),
            external_local: external && spec.external_traffic_policy == "Local",
            internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
            affinity_seconds: (spec.session_affinity == "ClientIP").then(|| affinity().unwrap_or(10_800)),
            health_check_node_port: u16::try_from(spec.health_check_node_port).unwrap_or(0),
            endpoints: self.endpoints(key, port, family, node),
        })
    }

    fn endpoints(&self, key: &str, port: &ApiPort, family: Family, node: &str) -> Vec<Endpoint> {
        let mut endpoints = BTreeMap::new();
        for slice in self.slices.get(key).into_iter().flat_map(BTreeMap::values) {
            let number = slice.ports.iter().find(|p| {
                p.name.as_deref().unwrap_or_default() == port.name
                    && Protocol::parse(p.protocol.as_deref().unwrap_or_default())
                        == Protocol::parse(&port.protocol)
            });
            let Some(number) = number.and_then(|p| u16::try_from(p.port?).ok()) else { continue };
            for endpoint in &slice.endpoints {
                let Some(Ok(address)) = endpoint.addresses.first().map(|text| text.parse::<IpAddr>()) else {
                    continue;
                };
                if Family::of(&address) != family {
                    continue;
                }
                let conditions = &endpoint.conditions;
                let ready = conditions.ready.unwrap_or(true);
                let hints = endpoint.hints.as_deref();
                let found = Endpoint {
                    address,
                    port: number,
                    ready,
                    serving: conditions.serving.unwrap_or(ready),
                    terminating: conditions.terminating.unwrap_or(false),
                    local: endpoint.node_name.as_deref() == Some(node),
                    zones: hints
                        .map(|h| h.for_zones.iter().map(|zone| zone.name.clone()).collect())
                        .unwrap_or_default(),
                    nodes: hints
                        .map(|h| h.for_nodes.iter().map(|node| node.name.clone()).collect())
                        .unwrap_or_default(),
                };
                endpoints.insert((address, number), found);
            }
        }
        endpoints.into_values().collect()
    }
}

/// False for Services that have no rules on nodes, or those of another proxy.
fn served(service: &Service) -> bool {
    let labels = &service.metadata.labels;
    let spec = &service.spec;
    spec.type_ != "ExternalName"
        && !matches!(spec.cluster_ip.as_str(), "" | "None")
        && !labels.contains_key(OTHER_PROXY)
        && !labels.contains_key(HEADLESS)
}
