//! What the node keeps back from pods, and the cgroups that hold pods to what is left.

use std::collections::BTreeMap;

use kubelet_core::eviction::{self, ThresholdError};
use kubelet_core::node_status::{PodLimits, Reserved};
use kubelet_core::ports::{CgroupError, CgroupLimits, CgroupName};
use kubelet_core::qos;
use machinery::Quantity;
use rules::core::v1::resource_list;

use crate::config::KubeletConfiguration;
use crate::context::Context;

/// The reservations of the configuration.
pub fn reserved(config: &KubeletConfiguration) -> Result<Reserved, ThresholdError> {
    let mut amounts: BTreeMap<String, Quantity> = BTreeMap::new();
    for map in [&config.system_reserved, &config.kube_reserved] {
        let list = map.iter().map(|(name, value)| (name.clone(), Quantity(value.clone()))).collect();
        resource_list::add(&mut amounts, &list);
    }
    let empty = BTreeMap::new();
    let thresholds = eviction::parse_thresholds(&config.hard_thresholds(), &empty, &empty, &empty)?;
    Ok(Reserved { amounts, thresholds })
}

/// How many pods the configuration lets in.
pub fn pod_limits(config: &KubeletConfiguration) -> PodLimits {
    PodLimits { max_pods: config.max_pods, pods_per_core: config.pods_per_core }
}

/// The root cgroup of the configuration, by its components.
pub fn cgroup_root(config: &KubeletConfiguration) -> CgroupName {
    CgroupName(
        config.cgroup_root.split('/').filter(|component| !component.is_empty()).map(str::to_owned).collect(),
    )
}

/// Whether all pods together are held to what is allocatable.
pub fn limits_pods(config: &KubeletConfiguration) -> bool {
    config.cgroups_per_qos && config.enforce_node_allocatable.iter().any(|name| name == "pods")
}

/// Makes the cgroups of all pods and of the classes, and limits the first to what is not reserved.
pub async fn ensure_cgroups(context: &Context, burstable_shares: u64) -> Result<(), CgroupError> {
    if !context.config.cgroups_per_qos {
        return Ok(());
    }
    let cgroups = &context.ports.cgroups;
    let root = &context.cgroup_root;
    let mut limits = CgroupLimits::default();
    if limits_pods(&context.config) {
        // Thresholds are left out: they are for eviction to keep, before the kernel kills.
        let capacity = &context.node.load().status.capacity;
        let reserved = reserved(&context.config).map(|reserved| reserved.amounts).unwrap_or_default();
        let left = |name: &str| {
            let capacity = capacity.get(name)?;
            match reserved.get(name) {
                Some(reserved) => capacity.sub(reserved).ok(),
                None => Some(capacity.clone()),
            }
        };
        limits.cpu_shares = left("cpu").map(|amount| qos::cpu_shares(amount.milli_value()));
        limits.memory_limit_bytes = left("memory").map(|amount| amount.value()).filter(|bytes| *bytes > 0);
        limits.pids_limit = reserved.get("pid").map(|kept| {
            let most = context.pid_limit;
            (i64::try_from(most).unwrap_or(i64::MAX) - kept.value()).max(1)
        });
    }
    cgroups.ensure(&qos::pods_cgroup(root), &limits).await?;
    let shares = |shares| CgroupLimits { cpu_shares: Some(shares), ..CgroupLimits::default() };
    cgroups.ensure(&qos::class_cgroup(root, "Burstable"), &shares(burstable_shares)).await?;
    cgroups.ensure(&qos::class_cgroup(root, "BestEffort"), &shares(qos::MIN_SHARES)).await
}
