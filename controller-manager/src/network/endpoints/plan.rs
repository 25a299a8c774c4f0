//! Decides what the Endpoints of a Service say.

use std::collections::BTreeMap;

use api_types::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service,
};
use machinery::Time;
use machinery::meta::v1::ObjectMeta;
use rules::core::v1::pod::meaning::condition;
use rules::core::v1::service::meaning::{has_cluster_ip, is_headless};
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::super::members::{address, hostname, is_member, selector, target_port};
use super::super::subsets::{changed, repack, truncate};
use super::super::{HEADLESS, LAST_CHANGE, LEADER};
use super::gather::Inputs;

/// Addresses in one object at most.
pub(super) const MOST: usize = 1000;
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// Creates, replaces or deletes one object.
pub(super) fn plan(inputs: &Inputs) -> Plan {
    let Some(service) = inputs.service.as_deref() else { return leftover(inputs) };
    if selector(service).is_none() {
        return Plan::nothing();
    }
    let mut subsets = subsets(service, inputs);
    let current = inputs.endpoints.as_deref();
    let mut wanted = current.cloned().unwrap_or_else(|| Endpoints {
        metadata: ObjectMeta {
            name: service.metadata.name.clone(),
            namespace: service.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        ..Endpoints::default()
    });
    let time = trigger_time(inputs, service, &subsets);
    let annotations = &mut wanted.metadata.annotations;
    annotations.remove(OVER_CAPACITY);
    if truncate(&mut subsets, MOST) {
        annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
    }
    wanted.metadata.labels = labels(service);
    wanted.subsets = subsets;
    // When it changed is told with what changed, not on its own.
    let same = current.is_some_and(|current| {
        let said = |endpoints: &Endpoints| {
            let metadata = &endpoints.metadata;
            (repack(&endpoints.subsets), metadata.labels.clone(), metadata.annotations.clone())
        };
        said(current) == said(&wanted)
    });
    if same {
        return Plan::nothing();
    }
    let annotations = &mut wanted.metadata.annotations;
    match time {
        Some(time) => drop(annotations.insert(LAST_CHANGE.to_owned(), time.to_string())),
        None => drop(annotations.remove(LAST_CHANGE)),
    }
    let (about, metadata) = (reference_to(&wanted), &service.metadata);
    let what = format!("{}/{}", metadata.namespace, metadata.name);
    if current.is_some() {
        let message = format!("Failed to update endpoint {what}: ");
        let note = Note::warning(about, "FailedToUpdateEndpoint", message);
        Plan::of(vec![Action::replace(wanted).on_failure(note)])
    } else if metadata.deletion_timestamp.is_none() {
        let message = format!("Failed to create endpoint for service {what}: ");
        let note = Note::warning(about, "FailedToCreateEndpoint", message);
        Plan::of(vec![Action::create(wanted).on_failure(note)])
    } else {
        Plan::nothing()
    }
}

/// Endpoints without a Service go, unless they are the lock of some older leader election.
fn leftover(inputs: &Inputs) -> Plan {
    let left = inputs.endpoints.iter().filter(|left| !left.metadata.annotations.contains_key(LEADER));
    Plan::of(left.map(|left| Action::delete(left.as_ref())).collect())
}

fn subsets(service: &Service, inputs: &Inputs) -> Vec<EndpointSubset> {
    let unready_too = service.spec.publish_not_ready_addresses;
    let mut subsets = Vec::new();
    let going = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() && !unready_too;
    for pod in inputs.pods.iter().filter(|pod| is_member(pod) && !going(pod)) {
        let Some(ip) = address(pod, family(service)) else { continue };
        let address = EndpointAddress {
            ip,
            hostname: hostname(pod, service).unwrap_or_default().to_owned(),
            node_name: Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty()),
            target_ref: Some(Box::new(ObjectReference {
                kind: "Pod".to_owned(),
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                ..ObjectReference::default()
            })),
        };
        let ready = unready_too || rules::core::v1::pod::meaning::is_ready(pod);
        let mut add = |ports: Vec<EndpointPort>| {
            let mut subset = EndpointSubset { ports, ..EndpointSubset::default() };
            let list = if ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
            list.push(address.clone());
            subsets.push(subset);
        };
        if service.spec.ports.is_empty() && is_headless(&service.spec) {
            add(Vec::new());
        }
        for port in &service.spec.ports {
            let Some(number) = target_port(pod, port) else { continue };
            add(vec![EndpointPort {
                name: port.name.clone(),
                port: number,
                protocol: port.protocol.clone(),
                app_protocol: port.app_protocol.clone(),
            }]);
        }
    }
    repack(&subsets)
}

/// Endpoints have one family, the Service's first.
fn family(service: &Service) -> &str {
    let first = service.spec.ip_families.first().map(String::as_str);
    first.unwrap_or(if service.spec.cluster_ip.contains(':') { "IPv6" } else { "IPv4" })
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone();
    if has_cluster_ip(&service.spec) {
        labels.remove(HEADLESS);
    } else {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// When the first of the changes happened that this write is for: the Service was made, or pods that come,
/// go or change here changed their readiness.
fn trigger_time(inputs: &Inputs, service: &Service, subsets: &[EndpointSubset]) -> Option<Time> {
    let Some(current) = inputs.endpoints.as_deref() else {
        return Some(service.metadata.creation_timestamp).filter(|time| !time.is_zero());
    };
    let changed = changed(&current.subsets, subsets);
    let address_of = |pod: &Pod| address(pod, family(service)).map(|ip| (ip, pod.metadata.uid.clone()));
    let concerned =
        inputs.pods.iter().filter(|pod| address_of(pod).is_some_and(|key| changed.contains(&key)));
    let times = concerned.filter_map(|pod| Some(condition(&pod.status, "Ready")?.last_transition_time));
    times.filter(|time| !time.is_zero()).min()
}

/// The addresses of an object, for tests.
#[cfg(test)]
pub(super) fn shown(endpoints: &Endpoints) -> Vec<String> {
    let list = |list: &[EndpointAddress]| {
        list.iter().map(|address| address.ip.clone()).collect::<Vec<_>>().join(",")
    };
    let ports = |subset: &EndpointSubset| -> Vec<String> {
        subset.ports.iter().map(|port| format!("{}={}", port.name, port.port)).collect()
    };
    let subsets = endpoints.subsets.iter();
    subsets
        .map(|s| format!("{}/{} {}", list(&s.addresses), list(&s.not_ready_addresses), ports(s).join(",")))
        .collect()
}
