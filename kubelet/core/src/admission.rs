//! Whether this node takes a pod: room, host ports, node selectors, and whom a critical pod pushes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{ContainerPort, Node, Pod};
use machinery::Quantity;
use rules::core::v1::pod::resources;
use rules::core::v1::scheduling;

use crate::pod;

/// A pod this node does not take. It fails with this reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: String,
    pub message: String,
}

/// Amounts by resource: millicores for cpu, whole units for everything else.
type Amounts = BTreeMap<String, i64>;

fn amounts(list: &BTreeMap<String, Quantity>) -> Amounts {
    list.iter()
        .map(|(name, quantity)| {
            let amount = if name == "cpu" { quantity.milli_value() } else { quantity.value() };
            (name.clone(), amount)
        })
        .collect()
}

fn request(pod: &Pod) -> Amounts {
    amounts(&resources::requests(pod, resources::Accounting::default()))
}

/// The first resource that does not suffice.
struct Shortage {
    resource: String,
    requested: i64,
    used: i64,
    capacity: i64,
}

fn shortage(pod: &Pod, others: &[Arc<Pod>], allocatable: &BTreeMap<String, Quantity>) -> Option<Shortage> {
    let capacity = amounts(allocatable);
    let mut used = Amounts::new();
    for other in others {
        for (name, amount) in request(other) {
            *used.entry(name).or_default() += amount;
        }
    }
    let pods = i64::try_from(others.len()).unwrap_or(i64::MAX);
    if let Some(most) = capacity.get("pods").filter(|most| pods + 1 > **most) {
        return Some(Shortage { resource: "pods".to_owned(), requested: 1, used: pods, capacity: *most });
    }
    // An extended resource the node does not know is left to whoever brings it.
    request(pod).into_iter().filter(|(_, requested)| *requested > 0).find_map(|(resource, requested)| {
        let capacity = match capacity.get(&resource) {
            Some(capacity) => *capacity,
            None if matches!(resource.as_str(), "cpu" | "memory") => return None,
            None if resource == "ephemeral-storage" => return None,
            None if resource.starts_with("hugepages-") => 0,
            None => return None,
        };
        let used = used.get(&resource).copied().unwrap_or(0);
        (requested > capacity - used).then_some(Shortage { resource, requested, used, capacity })
    })
}

/// Decides about a new pod beside those the node already has.
pub fn admit(pod: &Pod, others: &[Arc<Pod>], node: &Node) -> Result<(), Rejection> {
    let reject = |reason: &str, message: String| Err(Rejection { reason: reason.to_owned(), message });
    if let Some(os) = pod.spec.os.as_ref().filter(|os| os.name != "linux") {
        return reject(
            "PodOSNotSupported",
            format!(
                "Failed to admit pod as the OS field doesn't match node OS: pod {:?}, node \"linux\"",
                os.name
            ),
        );
    }
    if let Some(selector) = pod.spec.node_selector.get("kubernetes.io/os").filter(|os| *os != "linux") {
        return reject(
            "PodOSSelectorNodeLabelDoesNotMatch",
            format!(
                "Failed to admit pod as the `kubernetes.io/os` label {selector:?} doesn't match node label \"linux\""
            ),
        );
    }
    if let Some(missing) = shortage(pod, others, &node.status.allocatable) {
        let Shortage { resource, requested, used, capacity } = missing;
        return reject(
            &format!("OutOf{resource}"),
            format!(
                "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
            ),
        );
    }
    if pod::is_static(pod) {
        // Nobody scheduled it; taints that would throw it out again are respected from the start.
        let relevant = |taint: &api_types::core::v1::Taint| taint.effect == "NoExecute";
        if scheduling::first_untolerated(&node.spec.taints, &pod.spec.tolerations, relevant).is_some() {
            return reject("TaintToleration", "Predicate TaintToleration failed".to_owned());
        }
        return Ok(());
    }
    if !scheduling::node_allowed(pod, node) {
        return reject("NodeAffinity", "Predicate NodeAffinity failed".to_owned());
    }
    if !pod.spec.node_name.is_empty() && pod.spec.node_name != node.metadata.name {
        return reject("NodeName", "Predicate NodeName failed".to_owned());
    }
    if others.iter().any(|other| ports_conflict(pod, other)) {
        return reject("NodePorts", "Predicate NodePorts failed".to_owned());
    }
    Ok(())
}

/// Sysctls that cannot harm other pods, from upstream's list.
const SAFE_SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];
/// Sysctls with this sense are safe too.
const SAFE_BUFFERS: [&str; 2] = ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];

/// Whether a pod's sysctls are safe, or allowed on this node (`allowedUnsafeSysctls`, where `kernel.msg*` is a prefix).
pub fn sysctls(pod: &Pod, allowed: &[String]) -> Result<(), Rejection> {
    let Some(context) = &pod.spec.security_context else { return Ok(()) };
    for sysctl in &context.sysctls {
        let name = sysctl.name.replace('/', ".");
        let permitted = SAFE_SYSCTLS.contains(&name.as_str())
            || SAFE_BUFFERS.contains(&name.as_str())
            || allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => *pattern == name,
            });
        let host = (name.starts_with("net.") && pod.spec.host_network)
            || ((name.starts_with("kernel.shm")
                || name.starts_with("kernel.msg")
                || name.starts_with("kernel.sem"))
                && pod.spec.host_ipc);
        if !permitted || host {
            let why = if host { "not allowed with the namespace of the host" } else { "not allowlisted" };
            return Err(Rejection {
                reason: "SysctlForbidden".to_owned(),
                message: format!("forbidden sysctl: {:?} {why}", sysctl.name),
            });
        }
    }
    Ok(())
}

fn host_ports(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    let sidecars = pod.spec.init_containers.iter().filter(|init| pod::is_sidecar(init));
    pod.spec
        .containers
        .iter()
        .chain(sidecars)
        .flat_map(|container| &container.ports)
        .filter(|port| port.host_port > 0)
}

/// Whether two pods want the same host port: the same protocol and number, on addresses that overlap.
fn ports_conflict(pod: &Pod, other: &Pod) -> bool {
    let any = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    let protocol = |port: &ContainerPort| {
        if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() }
    };
    host_ports(pod).any(|port| {
        host_ports(other).any(|taken| {
            port.host_port == taken.host_port
                && protocol(port) == protocol(taken)
                && (port.host_ip == taken.host_ip || any(&port.host_ip) || any(&taken.host_ip))
        })
    })
}

/// The pods to evict so that a critical pod fits: the least important first, and no more than needed. `None` when even
/// that does not help, or when it is not room that is missing.
pub fn victims(pod: &Pod, others: &[Arc<Pod>], node: &Node) -> Option<Vec<Arc<Pod>>> {
    if !pod::is_critical(pod) {
        return None;
    }
    let priority = |pod: &Pod| pod.spec.priority.unwrap_or(0);
    let mut candidates: Vec<Arc<Pod>> = others
        .iter()
        .filter(|other| {
            !pod::is_critical(other) && priority(other) < priority(pod).max(pod::SYSTEM_CRITICAL_PRIORITY)
        })
        .cloned()
        .collect();
    candidates.sort_by_key(|candidate| {
        (priority(candidate), std::cmp::Reverse(request(candidate).get("memory").copied().unwrap_or(0)))
    });
    let mut chosen: Vec<Arc<Pod>> = Vec::new();
    let left = |chosen: &[Arc<Pod>]| -> Vec<Arc<Pod>> {
        others
            .iter()
            .filter(|other| !chosen.iter().any(|victim| victim.metadata.uid == other.metadata.uid))
            .cloned()
            .collect()
    };
    for candidate in candidates {
        if shortage(pod, &left(&chosen), &node.status.allocatable).is_none() {
            break;
        }
        chosen.push(candidate);
    }
    let fits = shortage(pod, &left(&chosen), &node.status.allocatable).is_none();
    (fits && !chosen.is_empty()).then_some(chosen)
}

/// Whether a pod fits with the resources a resize asks for; otherwise the reason and message of `PodResizePending`:
/// `Infeasible` when the node could never, `Deferred` when it cannot now.
pub fn fits_resized(
    pod: &Pod,
    others: &[Arc<Pod>],
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<(), (&'static str, String)> {
    if let Some(Shortage { resource, requested, capacity, .. }) = shortage(pod, &[], allocatable) {
        let message = format!(
            "Node didn't have enough capacity: {resource}, requested: {requested}, capacity: {capacity}"
        );
        return Err(("Infeasible", message));
    }
    match shortage(pod, others, allocatable) {
        None => Ok(()),
        Some(Shortage { resource, requested, used, capacity }) => Err((
            "Deferred",
            format!(
                "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod as make;

    fn node() -> Node {
        let mut node = Node::default();
        node.metadata.name = "node".into();
        node.metadata.labels = [("zone".to_owned(), "a".to_owned())].into();
        node.status.allocatable = [("cpu", "2"), ("memory", "1Gi"), ("pods", "3")]
            .map(|(name, value)| (name.to_owned(), Quantity(value.to_owned())))
            .into();
        node
    }

    fn named(uid: &str, priority: i32, cpu: &str) -> Arc<Pod> {
        let mut pod = make(&format!(
            r#"{{"priority":{priority},"containers":[{{"name":"c","resources":{{"requests":{{"cpu":"{cpu}"}}}}}}]}}"#
        ));
        pod.metadata.uid = uid.into();
        Arc::new(pod)
    }

    fn check(spec: &str, others: &[Arc<Pod>], expected: Result<(), (&str, &str)>) {
        let found = admit(&make(spec), others, &node());
        let expected = expected
            .map_err(|(reason, message)| Rejection { reason: reason.into(), message: message.into() });
        assert_eq!(found, expected, "{spec}");
    }

    #[test]
    fn room() {
        let cpu = |amount: &str| {
            format!(r#"{{"containers":[{{"name":"c","resources":{{"requests":{{"cpu":"{amount}"}}}}}}]}}"#)
        };
        check(&cpu("2"), &[], Ok(()));
        check(
            &cpu("1500m"),
            &[named("a", 0, "1")],
            Err((
                "OutOfcpu",
                "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
            )),
        );
        let full = [named("a", 0, "0"), named("b", 0, "0"), named("c", 0, "0")];
        check(
            r#"{"containers":[{"name":"c"}]}"#,
            &full,
            Err(("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")),
        );
    }

    #[test]
    fn selectors_and_ports() {
        check(r#"{"nodeSelector":{"zone":"a"},"containers":[]}"#, &[], Ok(()));
        check(
            r#"{"nodeSelector":{"zone":"b"},"containers":[]}"#,
            &[],
            Err(("NodeAffinity", "Predicate NodeAffinity failed")),
        );
        let port = |ip: &str| {
            format!(
                r#"{{"containers":[{{"name":"c","ports":[{{"containerPort":80,"hostPort":80,"hostIP":"{ip}"}}]}}]}}"#
            )
        };
        let taken = [Arc::new(make(&port("1.2.3.4")))];
        check(&port("1.2.3.5"), &taken, Ok(()));
        check(&port(""), &taken, Err(("NodePorts", "Predicate NodePorts failed")));
    }

    #[test]
    fn unsafe_sysctls_need_permission() {
        let check = |name: &str, allowed: &[&str], expected: Result<(), &str>| {
            let spec = format!(
                r#"{{"securityContext":{{"sysctls":[{{"name":"{name}","value":"1"}}]}},"containers":[]}}"#
            );
            let allowed: Vec<String> = allowed.iter().map(|pattern| (*pattern).to_owned()).collect();
            let found = sysctls(&make(&spec), &allowed).map_err(|rejection| rejection.message);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check("kernel.shm_rmid_forced", &[], Ok(()));
        check("net/ipv4/tcp_syncookies", &[], Ok(()));
        check("kernel.msgmax", &[], Err("forbidden sysctl: \"kernel.msgmax\" not allowlisted"));
        check("kernel.msgmax", &["kernel.msg*"], Ok(()));
    }

    #[test]
    fn critical_pods_push_the_least_important_out() {
        let others = [named("low", 1, "1"), named("high", 100, "1")];
        let victims = |priority, cpu| {
            victims(&named("new", priority, cpu), &others, &node())
                .map(|list| list.iter().map(|pod| pod.metadata.uid.clone()).collect::<Vec<_>>())
        };
        assert_eq!(victims(2_000_000_000, "1"), Some(vec!["low".to_owned()]));
        assert_eq!(victims(2_000_000_000, "3"), None);
        assert_eq!(victims(5, "1"), None);
    }

    #[test]
    fn resizes() {
        let check = |cpu, expected: Result<(), &str>| {
            let others = [named("a", 0, "1")];
            let found = fits_resized(&named("b", 0, cpu), &others, &node().status.allocatable);
            assert_eq!(found.map_err(|(reason, _)| reason), expected);
        };
        check("1", Ok(()));
        check("1500m", Err("Deferred"));
        check("3", Err("Infeasible"));
    }
}
