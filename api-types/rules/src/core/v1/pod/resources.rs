//! What a pod as a whole asks for: containers, init containers, sidecars, pod-level resources, overhead.
//!
//! Source: `k8s.io/component-helpers/resource`.

use crate::core::v1::resource_list::{self, ResourceList, is_pod_level};
use api_types::core::v1::{Container, ContainerStatus, Pod, ResourceRequirements};

/// Which parts of a pod count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounting<'a> {
    /// Also count what the status says is allocated and actuated (in-place resize).
    pub use_status: bool,
    /// Leave `spec.overhead` out.
    pub without_overhead: bool,
    /// Leave pod-level resources out.
    pub without_pod_level: bool,
    /// Requests of containers that do not name a resource.
    pub missing_requests: Option<&'a ResourceList>,
}

/// True for an init container that runs beside the others.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// True when pod-level requests or limits name a resource that they may.
pub fn has_pod_level(pod: &Pod) -> bool {
    has_pod_level_requests(pod) || has_pod_level_limits(pod)
}

/// True when pod-level requests name a resource that they may.
pub fn has_pod_level_requests(pod: &Pod) -> bool {
    pod.spec
        .resources
        .as_ref()
        .is_some_and(|resources| resources.requests.keys().any(|name| is_pod_level(name)))
}

/// True when pod-level limits name a resource that they may.
pub fn has_pod_level_limits(pod: &Pod) -> bool {
    pod.spec
        .resources
        .as_ref()
        .is_some_and(|resources| resources.limits.keys().any(|name| is_pod_level(name)))
}

/// True when a pending resize can never be granted on this node.
pub fn resize_infeasible(pod: &Pod) -> bool {
    resize_pending_reason(pod) == Some("Infeasible")
}

/// True when a pending resize waits for room.
pub fn resize_deferred(pod: &Pod) -> bool {
    resize_pending_reason(pod) == Some("Deferred")
}

fn resize_pending_reason(pod: &Pod) -> Option<&str> {
    pod.status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "PodResizePending")
        .map(|condition| condition.reason.as_str())
}

fn status_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    status.container_statuses.iter().chain(&status.init_container_statuses).find(|status| status.name == name)
}

fn effective_requests(
    pod: &Pod,
    wanted: &ResourceList,
    actuated: &ResourceList,
    allocated: &ResourceList,
) -> ResourceList {
    if resize_infeasible(pod) {
        resource_list::largest(&[actuated, allocated])
    } else {
        resource_list::largest(&[wanted, actuated, allocated])
    }
}

fn effective_limits(pod: &Pod, wanted: &ResourceList, actuated: &ResourceList) -> ResourceList {
    if resize_infeasible(pod) { actuated.clone() } else { resource_list::largest(&[wanted, actuated]) }
}

fn requests_of(pod: &Pod, container: &Container, counts_status: bool, how: Accounting<'_>) -> ResourceList {
    let wanted = &container.resources.requests;
    let mut requests = match status_of(pod, &container.name).filter(|_| how.use_status && counts_status) {
        Some(ContainerStatus { resources: Some(actual), allocated_resources, .. }) => {
            effective_requests(pod, wanted, &actual.requests, allocated_resources)
        }
        _ => wanted.clone(),
    };
    for (name, quantity) in how.missing_requests.into_iter().flatten() {
        requests.entry(name.clone()).or_insert_with(|| quantity.clone());
    }
    requests
}

fn limits_of(pod: &Pod, container: &Container, counts_status: bool, how: Accounting<'_>) -> ResourceList {
    let wanted = &container.resources.limits;
    match status_of(pod, &container.name).filter(|_| how.use_status && counts_status) {
        Some(ContainerStatus { resources: Some(actual), .. }) => {
            effective_limits(pod, wanted, &actual.limits)
        }
        _ => wanted.clone(),
    }
}

/// The sum of the containers and sidecars, or the most that any moment of initialisation needs, if that is more.
fn aggregate(pod: &Pod, of: impl Fn(&Container, bool) -> ResourceList) -> ResourceList {
    let mut total = ResourceList::new();
    for container in &pod.spec.containers {
        resource_list::add(&mut total, &of(container, true));
    }
    let mut sidecars = ResourceList::new();
    let mut initialising = ResourceList::new();
    for container in &pod.spec.init_containers {
        let sidecar = is_sidecar(container);
        let needs = of(container, sidecar);
        if sidecar {
            resource_list::add(&mut total, &needs);
            resource_list::add(&mut sidecars, &needs);
            resource_list::raise(&mut initialising, &sidecars);
        } else {
            let mut moment = needs;
            resource_list::add(&mut moment, &sidecars);
            resource_list::raise(&mut initialising, &moment);
        }
    }
    resource_list::raise(&mut total, &initialising);
    total
}

/// Requests of all containers together, without pod-level resources and overhead.
pub fn container_requests(pod: &Pod, how: Accounting<'_>) -> ResourceList {
    aggregate(pod, |container, counts_status| requests_of(pod, container, counts_status, how))
}

/// Limits of all containers together, without pod-level resources and overhead.
pub fn container_limits(pod: &Pod, how: Accounting<'_>) -> ResourceList {
    aggregate(pod, |container, counts_status| limits_of(pod, container, counts_status, how))
}

/// What the pod asks of a node.
pub fn requests(pod: &Pod, how: Accounting<'_>) -> ResourceList {
    let mut total = container_requests(pod, how);
    if let Some(resources) = pod.spec.resources.as_ref().filter(|_| !how.without_pod_level) {
        let effective = actual(pod, how).map(|actual| {
            effective_requests(pod, &resources.requests, &actual.requests, &pod.status.allocated_resources)
        });
        replace_pod_level(&mut total, &resources.requests, effective.as_ref());
    }
    if !how.without_overhead {
        resource_list::add(&mut total, &pod.spec.overhead);
    }
    total
}

/// The most the pod may use; overhead only raises limits that exist.
pub fn limits(pod: &Pod, how: Accounting<'_>) -> ResourceList {
    let mut total = container_limits(pod, how);
    if let Some(resources) = pod.spec.resources.as_ref().filter(|_| !how.without_pod_level) {
        let effective =
            actual(pod, how).map(|actual| effective_limits(pod, &resources.limits, &actual.limits));
        replace_pod_level(&mut total, &resources.limits, effective.as_ref());
    }
    if !how.without_overhead {
        for (name, quantity) in &pod.spec.overhead {
            if let Some(limit) = total.get_mut(name).filter(|limit| !limit.is_zero())
                && let Ok(sum) = limit.add(quantity)
            {
                *limit = sum;
            }
        }
    }
    total
}

fn actual<'a>(pod: &'a Pod, how: Accounting<'_>) -> Option<&'a ResourceRequirements> {
    pod.status.resources.as_deref().filter(|_| how.use_status)
}

fn replace_pod_level(total: &mut ResourceList, wanted: &ResourceList, effective: Option<&ResourceList>) {
    for (name, quantity) in wanted.iter().filter(|(name, _)| is_pod_level(name)) {
        let quantity = effective.and_then(|effective| effective.get(name)).unwrap_or(quantity);
        total.insert(name.clone(), quantity.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machinery::Quantity;

    fn container(cpu: &str, sidecar: bool) -> Container {
        let mut container =
            Container { restart_policy: sidecar.then(|| "Always".to_owned()), ..Default::default() };
        container.resources.requests.insert("cpu".to_owned(), Quantity(cpu.to_owned()));
        container
    }

    fn check(init: &[(&str, bool)], main: &[&str], overhead: &str, expected: &str) {
        let mut pod = Pod::default();
        pod.spec.init_containers = init.iter().map(|(cpu, sidecar)| container(cpu, *sidecar)).collect();
        pod.spec.containers = main.iter().map(|cpu| container(cpu, false)).collect();
        if !overhead.is_empty() {
            pod.spec.overhead.insert("cpu".to_owned(), Quantity(overhead.to_owned()));
        }
        let total = requests(&pod, Accounting::default());
        assert_eq!(
            total["cpu"].compare(&Quantity(expected.to_owned())),
            std::cmp::Ordering::Equal,
            "{init:?} {main:?}: {total:?}"
        );
    }

    #[test]
    fn effective_requests_of_a_pod() {
        check(&[], &["1", "500m"], "", "1500m");
        check(&[("2", false)], &["1", "500m"], "", "2");
        check(&[("1", true), ("2", false)], &["1"], "", "3");
        check(&[("2", false), ("1", true)], &["2"], "", "3");
        check(&[], &["1"], "250m", "1250m");
    }

    #[test]
    fn pod_level_wins_over_containers() {
        let mut pod = Pod::default();
        pod.spec.containers = vec![container("1", false)];
        let mut resources = ResourceRequirements::default();
        resources.requests.insert("cpu".to_owned(), Quantity("4".to_owned()));
        pod.spec.resources = Some(Box::new(resources));
        assert_eq!(requests(&pod, Accounting::default())["cpu"].0, "4");
        assert_eq!(
            requests(&pod, Accounting { without_pod_level: true, ..Default::default() })["cpu"].0,
            "1"
        );
    }
}
