//! Quality of service: class, OOM score, and the cgroups and limits that follow from them.

use std::collections::BTreeMap;

use api_types::core::v1::{Container, Pod};
use machinery::Quantity;
use rules::core::v1::pod::{qos as classes, resources};

use crate::pod::{self, is_sidecar};
use crate::ports::{CgroupLimits, CgroupName, ContainerResources};

/// `oom_score_adj` of the kubelet itself.
pub const KUBELET_OOM_SCORE: i32 = -999;
const GUARANTEED_OOM_SCORE: i64 = -997;
const BEST_EFFORT_OOM_SCORE: i64 = 1000;

/// The least CPU shares the kernel knows.
pub const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;
/// Microseconds of a CPU period unless configured otherwise.
pub const DEFAULT_CPU_PERIOD: i64 = 100_000;
const MIN_CPU_QUOTA: i64 = 1_000;
/// Priority from which the node itself depends on a pod (`SystemNodeCritical`).
const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;

/// The class of a pod: as its status says, or as its resources define it.
pub fn class_of(pod: &Pod) -> &str {
    classes::class(pod)
}

/// CPU shares for millicores.
pub fn cpu_shares(milli: i64) -> u64 {
    let shares = milli.max(0).saturating_mul(1024) / 1000;
    u64::try_from(shares).unwrap_or(MAX_SHARES).clamp(MIN_SHARES, MAX_SHARES)
}

/// CPU quota in microseconds per period for millicores; 0 (no quota) for none.
pub fn cpu_quota(milli: i64, period: i64) -> i64 {
    if milli == 0 { 0 } else { (milli.saturating_mul(period) / 1000).max(MIN_CPU_QUOTA) }
}

/// The `oom_score_adj` of a container's processes: the less of its request it may lose, the lower.
pub fn oom_score(pod: &Pod, container: &Container, memory_capacity: u64) -> i64 {
    if pod.spec.priority.is_some_and(|priority| priority >= NODE_CRITICAL_PRIORITY) {
        return GUARANTEED_OOM_SCORE;
    }
    match class_of(pod) {
        classes::GUARANTEED => return GUARANTEED_OOM_SCORE,
        classes::BEST_EFFORT => return BEST_EFFORT_OOM_SCORE,
        _ => {}
    }
    let capacity = i64::try_from(memory_capacity).unwrap_or(i64::MAX).max(1);
    let share = spare_pod_memory_per_container(pod);
    let score = |request: i64| {
        let part = i128::from(request.saturating_add(share)) * 1000 / i128::from(capacity);
        1000 - i64::try_from(part).unwrap_or(i64::MAX)
    };
    let mut adjust = score(memory_request(container));
    if is_sidecar(container) && pod.spec.init_containers.iter().any(|init| init.name == container.name) {
        // A sidecar is never killed before the containers it serves.
        let least = pod.spec.containers.iter().map(memory_request).min().unwrap_or(0);
        adjust = adjust.min(score(least));
    }
    // Between the guaranteed and the best-effort pods, whatever was computed.
    adjust.clamp(1000 + GUARANTEED_OOM_SCORE, BEST_EFFORT_OOM_SCORE - 1)
}

fn memory_request(container: &Container) -> i64 {
    container.resources.requests.get("memory").map_or(0, Quantity::value)
}

/// What the pod-level memory request exceeds those of its containers by, spread over them.
fn spare_pod_memory_per_container(pod: &Pod) -> i64 {
    let Some(of_pod) = pod.spec.resources.as_ref().and_then(|resources| resources.requests.get("memory"))
    else {
        return 0;
    };
    let sidecars = pod.spec.init_containers.iter().filter(|init| is_sidecar(init));
    let all: Vec<i64> = pod.spec.containers.iter().chain(sidecars).map(memory_request).collect();
    let sum: i64 = all.iter().sum();
    let count = i64::try_from(all.len()).unwrap_or(1).max(1);
    (of_pod.value() - sum).max(0) / count
}

/// How CPU limits are enforced on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuQuotaPolicy {
    /// `cpuCFSQuota`: whether CPU limits become quotas.
    pub enforce: bool,
    /// Microseconds (`cpuCFSQuotaPeriod`).
    pub period: i64,
}

impl Default for CpuQuotaPolicy {
    fn default() -> CpuQuotaPolicy {
        CpuQuotaPolicy { enforce: true, period: DEFAULT_CPU_PERIOD }
    }
}

/// What the node decides about the resources of every container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourcePolicy {
    pub cpu_quota: CpuQuotaPolicy,
    /// Bytes of memory of the machine.
    pub memory_capacity: u64,
    /// Whether the machine has cgroup v2.
    pub cgroup_v2: bool,
    /// `singleProcessOOMKill`: the kernel kills one process rather than the container (v2 only; v1 knows nothing else).
    pub single_process_oom_kill: bool,
    /// Whether swap can be limited (a swap controller exists); containers then get none.
    pub swap_controller: bool,
}

/// The limits the runtime applies to a container.
pub fn container_resources(pod: &Pod, container: &Container, policy: &ResourcePolicy) -> ContainerResources {
    let of_pod = pod.spec.resources.as_deref();
    let limit = |name: &str| {
        container
            .resources
            .limits
            .get(name)
            .or_else(|| of_pod.and_then(|resources| resources.limits.get(name)))
    };
    let cpu_limit = limit("cpu").map_or(0, Quantity::milli_value);
    let memory_limit = limit("memory").map_or(0, Quantity::value);
    let cpu_request = container.resources.requests.get("cpu").map(Quantity::milli_value);
    let mut resources = linux_resources(cpu_request, cpu_limit, memory_limit, policy);
    resources.oom_score_adj = Some(oom_score(pod, container, policy.memory_capacity));
    resources.hugepage_limits = hugepage_limits(&container.resources.limits);
    if policy.swap_controller && memory_limit != 0 {
        resources.memory_swap_limit_bytes = Some(memory_limit);
    }
    resources
}

fn linux_resources(
    cpu_request: Option<i64>,
    cpu_limit: i64,
    memory_limit: i64,
    policy: &ResourcePolicy,
) -> ContainerResources {
    let mut resources = ContainerResources {
        cpu_shares: i64::try_from(cpu_shares(cpu_request.unwrap_or(cpu_limit))).ok(),
        memory_limit_bytes: (memory_limit != 0).then_some(memory_limit),
        ..ContainerResources::default()
    };
    if policy.cpu_quota.enforce {
        resources.cpu_quota = Some(cpu_quota(cpu_limit, policy.cpu_quota.period));
        resources.cpu_period = Some(policy.cpu_quota.period);
    }
    if policy.cgroup_v2 && !policy.single_process_oom_kill {
        resources.unified.insert("memory.oom.group".to_owned(), "1".to_owned());
    }
    resources
}

/// The sum over a pod's containers, as the sandbox is told it.
pub fn sandbox_resources(pod: &Pod, policy: &ResourcePolicy) -> ContainerResources {
    let how = resources::Accounting { without_overhead: true, ..resources::Accounting::default() };
    let requests = resources::requests(pod, how);
    let limits = resources::limits(pod, how);
    linux_resources(
        requests.get("cpu").map(Quantity::milli_value),
        limits.get("cpu").map_or(0, Quantity::milli_value),
        limits.get("memory").map_or(0, Quantity::value),
        policy,
    )
}

/// The pod's overhead, as the sandbox is told it.
pub fn overhead_resources(pod: &Pod, policy: &ResourcePolicy) -> ContainerResources {
    if pod.spec.overhead.is_empty() {
        return ContainerResources::default();
    }
    let cpu = pod.spec.overhead.get("cpu").map_or(0, Quantity::milli_value);
    let memory = pod.spec.overhead.get("memory").map_or(0, Quantity::value);
    linux_resources(Some(cpu), cpu, memory, policy)
}

/// `hugepages-2Mi: 4Mi` becomes `2MB: 4194304`.
fn hugepage_limits(list: &BTreeMap<String, Quantity>) -> BTreeMap<String, u64> {
    list.iter()
        .filter_map(|(name, quantity)| {
            let size = Quantity::parse(name.strip_prefix("hugepages-")?).ok()?.value();
            Some((page_size_name(size), u64::try_from(quantity.value()).ok()?))
        })
        .collect()
}

/// The kernel's name of a page size, such as `2MB`.
pub fn page_size_name(bytes: i64) -> String {
    const UNITS: [(&str, i64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    UNITS
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes % unit == 0)
        .map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// The limits of a pod's own cgroup.
pub fn pod_cgroup_limits(pod: &Pod, policy: &ResourcePolicy, pids_limit: Option<i64>) -> CgroupLimits {
    let how = resources::Accounting::default();
    let requests = resources::requests(pod, how);
    let limits = resources::limits(pod, how);
    let milli = |list: &BTreeMap<String, Quantity>| list.get("cpu").map_or(0, Quantity::milli_value);
    let declared = |name: &str| {
        let of_pod = pod.spec.resources.as_ref().is_some_and(|resources| resources.limits.contains_key(name));
        let of_all = pod
            .spec
            .containers
            .iter()
            .chain(&pod.spec.init_containers)
            .all(|container| container.resources.limits.get(name).is_some_and(|limit| !limit.is_zero()));
        of_pod || of_all
    };
    let mut result = CgroupLimits {
        cpu_shares: Some(cpu_shares(milli(&requests))),
        pids_limit,
        hugepage_limits: hugepage_limits(&requests),
        ..CgroupLimits::default()
    };
    let class = class_of(pod);
    if class == classes::BEST_EFFORT {
        result.cpu_shares = Some(MIN_SHARES);
        return result;
    }
    if class == classes::GUARANTEED || declared("cpu") {
        let quota = cpu_quota(milli(&limits), policy.cpu_quota.period);
        result.cpu_quota = Some(if policy.cpu_quota.enforce { quota } else { -1 });
        result.cpu_period = u64::try_from(policy.cpu_quota.period).ok();
    }
    if class == classes::GUARANTEED || declared("memory") {
        result.memory_limit_bytes = limits.get("memory").map(Quantity::value).filter(|bytes| *bytes != 0);
    }
    result
}

/// The cgroup below which all pods live, under the configured root.
pub fn pods_cgroup(root: &CgroupName) -> CgroupName {
    root.child("kubepods")
}

/// The cgroup of a class; guaranteed pods live directly below `kubepods`.
pub fn class_cgroup(root: &CgroupName, class: &str) -> CgroupName {
    let pods = pods_cgroup(root);
    match class {
        classes::BURSTABLE => pods.child("burstable"),
        classes::BEST_EFFORT => pods.child("besteffort"),
        _ => pods,
    }
}

/// The cgroup of a pod.
pub fn pod_cgroup(root: &CgroupName, pod: &Pod) -> CgroupName {
    class_cgroup(root, class_of(pod)).child(format!("pod{}", cgroup_uid(pod)))
}

/// Static pods' uids are their hash; the mirror's uid never names a cgroup.
fn cgroup_uid(pod: &Pod) -> &str {
    &pod.metadata.uid
}

/// The uid in a pod cgroup's last component.
pub fn uid_of_cgroup(component: &str) -> Option<&str> {
    component.strip_prefix("pod").filter(|uid| !uid.is_empty())
}

/// Shares of the burstable class: what its pods request together.
pub fn burstable_shares<'pod>(pods: impl Iterator<Item = &'pod Pod>) -> u64 {
    let milli: i64 = pods
        .filter(|pod| class_of(pod) == classes::BURSTABLE && !pod::is_terminal_phase(&pod.status.phase))
        .map(|pod| {
            resources::requests(pod, resources::Accounting::default())
                .get("cpu")
                .map_or(0, Quantity::milli_value)
        })
        .sum();
    cpu_shares(milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn container(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Container {
        let list = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), Quantity((*text).to_owned()))).collect()
        };
        let mut container = Container { name: "web".into(), ..Container::default() };
        container.resources.requests = list(requests);
        container.resources.limits = list(limits);
        container
    }

    fn pod(container: Container) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.uid = "abc".into();
        pod.spec.containers = vec![container];
        pod
    }

    #[test]
    fn oom_scores() {
        let check = |container: Container, expected: i64| {
            let pod = pod(container.clone());
            assert_eq!(oom_score(&pod, &container, 8 * GIB), expected);
        };
        check(container(&[], &[]), 1000);
        check(container(&[("cpu", "1"), ("memory", "1Gi")], &[("cpu", "1"), ("memory", "1Gi")]), -997);
        check(container(&[("memory", "4Gi")], &[]), 500);
        check(container(&[("memory", "8Gi")], &[]), 3);
        check(container(&[("cpu", "100m")], &[]), 999);
    }

    #[test]
    fn shares_and_quotas() {
        assert_eq!([0, 1, 100, 1000, i64::MAX].map(cpu_shares), [2, 2, 102, 1024, 262_144]);
        assert_eq!([0, 5, 100, 2500].map(|milli| cpu_quota(milli, 100_000)), [0, 1000, 10_000, 250_000]);
    }

    #[test]
    fn pod_cgroups_by_class() {
        let check = |container: Container, expected: &str| {
            assert_eq!(pod_cgroup(&CgroupName::root(), &pod(container)).to_string(), expected);
        };
        check(container(&[], &[]), "/kubepods/besteffort/podabc");
        check(container(&[("cpu", "1")], &[]), "/kubepods/burstable/podabc");
        check(
            container(&[("cpu", "1"), ("memory", "1")], &[("cpu", "1"), ("memory", "1")]),
            "/kubepods/podabc",
        );
    }

    #[test]
    fn limits_need_every_container_to_have_one() {
        let policy = ResourcePolicy { memory_capacity: 8 * GIB, ..ResourcePolicy::default() };
        let limited = container(&[("cpu", "100m")], &[("memory", "1Gi"), ("cpu", "1")]);
        let mut pod = pod(limited);
        let limits = pod_cgroup_limits(&pod, &policy, Some(100));
        assert_eq!((limits.memory_limit_bytes, limits.cpu_quota), (Some(1 << 30), Some(100_000)));
        pod.spec.containers.push(container(&[("cpu", "100m")], &[]));
        let limits = pod_cgroup_limits(&pod, &policy, None);
        assert_eq!((limits.memory_limit_bytes, limits.cpu_quota, limits.cpu_shares), (None, None, Some(204)));
    }

    #[test]
    fn page_sizes() {
        assert_eq!([2 << 20, 1 << 30, 64 << 10].map(page_size_name), ["2MB", "1GB", "64KB"]);
    }
}
