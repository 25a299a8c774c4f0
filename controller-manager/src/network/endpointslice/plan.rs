//! Decides which slices to make, change and delete.
//!
//! Endpoints that are in a slice stay in it; new ones fill the slices with room, so that one pod more or less
//! changes one slice.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{ObjectReference, Pod, Service};
use api_types::discovery::v1::{
    Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice, ForNode, ForZone,
};
use machinery::meta::v1::ObjectMeta;
use rules::core::v1::pod::meaning::is_ready;
use rules::core::v1::service::meaning::is_headless;
use runtime::{Action, Plan};

use super::super::members::{address, hostname, is_member, selector, takes_traffic, target_port};
use super::super::{HEADLESS, MANAGED_BY, SERVICE_NAME};
use super::gather::Inputs;
use crate::ownership::reference;

/// Label of nodes with their zone.
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
/// This controller's name in [`MANAGED_BY`].
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Endpoints in a slice at most (upstream's `--max-endpoints-per-slice`).
pub(super) const MOST: usize = 100;

/// Slices are kept apart by family and ports.
type Group = (String, Vec<(String, String, Option<i32>, Option<String>)>);

/// Creates, changes, deletes, in one stage.
pub(super) fn plan(inputs: &Inputs) -> Plan {
    let service = inputs.service.as_ref();
    if service.metadata.deletion_timestamp.is_some() || selector(service).is_none() {
        return Plan::nothing();
    }
    let mut wanted: BTreeMap<Group, (Vec<EndpointPort>, BTreeMap<String, Endpoint>)> = BTreeMap::new();
    let families = families(service);
    for pod in inputs.pods.iter().filter(|pod| is_member(pod)) {
        for family in &families {
            let Some(address) = address(pod, family) else { continue };
            let ports = ports(service, pod);
            let group = (family.clone(), port_key(&ports));
            let endpoint = endpoint(inputs, pod, address);
            let (_, endpoints) = wanted.entry(group).or_insert_with(|| (ports, BTreeMap::new()));
            endpoints.insert(pod.metadata.uid.clone(), endpoint);
        }
    }
    // A Service without any endpoint has one empty slice for each family.
    for family in &families {
        if !wanted.keys().any(|(of, _)| of == family) {
            wanted.insert((family.clone(), Vec::new()), (Vec::new(), BTreeMap::new()));
        }
    }
    let mut existing: BTreeMap<Group, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
    let mut actions = Vec::new();
    for slice in &inputs.slices {
        if slice.metadata.deletion_timestamp.is_some()
            || slice.metadata.labels.get(MANAGED_BY).is_none_or(|by| by != MANAGER)
        {
            continue;
        }
        let group = (slice.address_type.clone(), port_key(&slice.ports));
        if wanted.contains_key(&group) {
            existing.entry(group).or_default().push(slice.clone());
        } else {
            actions.push(Action::delete(slice.as_ref()));
        }
    }
    for (group, (ports, endpoints)) in wanted {
        let slices = existing.remove(&group).unwrap_or_default();
        reconcile(service, &group.0, &ports, endpoints, &slices, &mut actions);
    }
    Plan::of(actions)
}

fn reconcile(
    service: &Service,
    family: &str,
    ports: &[EndpointPort],
    mut endpoints: BTreeMap<String, Endpoint>,
    slices: &[Arc<EndpointSlice>],
    actions: &mut Vec<Action>,
) {
    let mut kept: Vec<(EndpointSlice, bool)> = Vec::new();
    for slice in slices {
        let mut new = slice.as_ref().clone();
        new.endpoints = slice.endpoints.iter().filter_map(|old| endpoints.remove(uid(old))).collect();
        new.metadata.labels = labels(service);
        let changed = new.endpoints != slice.endpoints || new.metadata.labels != slice.metadata.labels;
        kept.push((new, changed));
    }
    let mut left: Vec<Endpoint> = endpoints.into_values().collect();
    for (slice, changed) in &mut kept {
        let room = MOST.saturating_sub(slice.endpoints.len()).min(left.len());
        if room > 0 {
            slice.endpoints.extend(left.drain(..room));
            *changed = true;
        }
    }
    // Emptied slices go, unless nothing else would be left.
    let filled = kept.iter().filter(|(slice, _)| !slice.endpoints.is_empty()).count();
    let mut spare = usize::from(filled == 0 && left.is_empty());
    for (slice, changed) in kept {
        if slice.endpoints.is_empty() {
            if spare == 0 {
                actions.push(Action::delete(&slice));
                continue;
            }
            spare -= 1;
        }
        if changed {
            actions.push(Action::replace(slice));
        }
    }
    let empty = slices.is_empty() && left.is_empty();
    let chunks = left.chunks(MOST).map(<[Endpoint]>::to_vec).chain(empty.then(Vec::new));
    for endpoints in chunks {
        actions.push(Action::create(new_slice(service, family, ports, endpoints)));
    }
}

fn new_slice(
    service: &Service,
    family: &str,
    ports: &[EndpointPort],
    endpoints: Vec<Endpoint>,
) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: crate::pods::name_prefix(&service.metadata.name),
            namespace: service.metadata.namespace.clone(),
            labels: labels(service),
            owner_references: vec![reference(service)],
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ports: ports.to_vec(),
        endpoints,
    }
}

/// Those of the Service, with the controller's own over them.
fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone();
    labels.retain(|key, _| !matches!(key.as_str(), SERVICE_NAME | MANAGED_BY | HEADLESS));
    labels.insert(SERVICE_NAME.into(), service.metadata.name.clone());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if is_headless(&service.spec) {
        labels.insert(HEADLESS.into(), String::new());
    }
    labels
}

fn families(service: &Service) -> Vec<String> {
    let families = &service.spec.ip_families;
    if families.is_empty() { vec!["IPv4".to_owned()] } else { families.clone() }
}

fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let spec = &service.spec;
    let numbered = spec.ports.iter().filter_map(|port| {
        Some(EndpointPort {
            name: Some(port.name.clone()),
            protocol: Some(if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() }),
            port: Some(target_port(pod, port)?),
            app_protocol: port.app_protocol.clone(),
        })
    });
    numbered.collect()
}

fn port_key(ports: &[EndpointPort]) -> Vec<(String, String, Option<i32>, Option<String>)> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut key: Vec<_> =
        ports.iter().map(|p| (text(&p.name), text(&p.protocol), p.port, p.app_protocol.clone())).collect();
    key.sort();
    key
}

fn uid(endpoint: &Endpoint) -> &str {
    endpoint.target_ref.as_deref().map(|target| target.uid.as_str()).unwrap_or_default()
}

fn endpoint(inputs: &Inputs, pod: &Pod, address: String) -> Endpoint {
    let service = inputs.service.as_ref();
    let serving = service.spec.publish_not_ready_addresses || is_ready(pod);
    let node = Some(pod.spec.node_name.clone()).filter(|name| !name.is_empty());
    let zone = inputs.zones.get(&pod.spec.node_name).cloned();
    Endpoint {
        addresses: vec![address],
        conditions: EndpointConditions {
            ready: Some(takes_traffic(pod, service)),
            serving: Some(serving),
            terminating: Some(pod.metadata.deletion_timestamp.is_some()),
        },
        hostname: hostname(pod, service).map(str::to_owned),
        target_ref: Some(Box::new(ObjectReference {
            kind: "Pod".to_owned(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        })),
        hints: hints(service, zone.as_deref(), node.as_deref()).map(Box::new),
        zone,
        node_name: node,
        ..Endpoint::default()
    }
}

/// `spec.trafficDistribution`: the same zone, or the same node.
fn hints(service: &Service, zone: Option<&str>, node: Option<&str>) -> Option<EndpointHints> {
    let zones = || zone.map(|zone| vec![ForZone { name: zone.to_owned() }]).unwrap_or_default();
    match service.spec.traffic_distribution.as_deref() {
        Some("PreferClose" | "PreferSameZone") => {
            Some(EndpointHints { for_zones: zones(), ..EndpointHints::default() })
                .filter(|h| !h.for_zones.is_empty())
        }
        Some("PreferSameNode") => {
            let for_nodes = node.map(|node| vec![ForNode { name: node.to_owned() }]).unwrap_or_default();
            Some(EndpointHints { for_zones: zones(), for_nodes })
        }
        _ => None,
    }
}
