//! Which pods are behind a Service, and on which ports (`k8s.io/endpointslice/util`).

use std::sync::Arc;

use api_types::core::v1::{Pod, Service, ServicePort};
use machinery::IntOrString;
use machinery::selectors::labels::Selector;
use rules::core::v1::pod::meaning::{is_ready, is_terminal};
use rules::core::v1::pod::resources::is_sidecar;
use runtime::store::BY_NAMESPACE;
use runtime::{Event, ObjectKey, Store};

/// The selector of a Service that has one and whose endpoints are the cluster's to find.
pub(super) fn selector(service: &Service) -> Option<Selector> {
    let spec = &service.spec;
    let found = !spec.selector.is_empty() && spec.type_ != "ExternalName";
    found.then(|| Selector::from_labels(&spec.selector))
}

/// The pods that a Service selects.
pub(super) fn selected(service: &Service, pods: &Store<Pod>) -> Vec<Arc<Pod>> {
    let Some(selector) = selector(service) else { return Vec::new() };
    let mut found = pods.by_index(BY_NAMESPACE, &service.metadata.namespace);
    found.retain(|pod| selector.matches(&pod.metadata.labels));
    found.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    found
}

/// Services that select the pod, before or after the change.
pub(super) fn services_of_pod(event: &Event<Pod>, services: &Store<Service>) -> Vec<ObjectKey> {
    let states = event.old().into_iter().chain([event.object()]);
    let labels: Vec<_> = states.map(|pod| &pod.metadata.labels).collect();
    let in_namespace = services.by_index(BY_NAMESPACE, &event.object().metadata.namespace);
    let selecting = in_namespace
        .iter()
        .filter(|service| selector(service).is_some_and(|s| labels.iter().any(|labels| s.matches(*labels))));
    selecting.map(|service| ObjectKey::of(&service.metadata)).collect()
}

/// True when the pod has an address and has not ended.
pub(super) fn is_member(pod: &Pod) -> bool {
    let has_address = !pod.status.pod_ip.is_empty() || !pod.status.pod_ips.is_empty();
    has_address && !is_terminal(pod)
}

/// The pod's address of a family.
pub(super) fn address(pod: &Pod, family: &str) -> Option<String> {
    let all = pod.status.pod_ips.iter().map(|ip| &ip.ip).chain([&pod.status.pod_ip]);
    let mut fitting = all.filter(|ip| !ip.is_empty() && ip.contains(':') == (family == "IPv6"));
    fitting.next().cloned()
}

/// A pod is ready for a Service when it is ready and not going, or when the Service does not ask.
pub(super) fn takes_traffic(pod: &Pod, service: &Service) -> bool {
    service.spec.publish_not_ready_addresses || is_ready(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// The pod's name in the domain of a headless Service.
pub(super) fn hostname<'a>(pod: &'a Pod, service: &Service) -> Option<&'a str> {
    let spec = &pod.spec;
    let own = !spec.hostname.is_empty() && spec.subdomain == service.metadata.name;
    own.then_some(spec.hostname.as_str())
}

/// The number of a Service's port on one pod; none when the pod does not have a port of that name.
pub(super) fn target_port(pod: &Pod, port: &ServicePort) -> Option<i32> {
    match &port.target_port {
        IntOrString::Int(0) => Some(port.port),
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let sidecars = pod.spec.init_containers.iter().filter(|container| is_sidecar(container));
            let ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
            let mut matching = ports.filter(|p| p.name == *name && p.protocol == port.protocol);
            matching.next().map(|port| port.container_port)
        }
    }
}
