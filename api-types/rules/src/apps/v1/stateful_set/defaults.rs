//! Defaults of stateful sets.

use crate::core::v1::{persistent_volume_claim, pod};
use api_types::apps::v1::StatefulSet;

/// Defaults of a stateful set.
pub fn set(stateful_set: &mut StatefulSet) {
    let spec = &mut stateful_set.spec;
    if spec.pod_management_policy.is_empty() {
        spec.pod_management_policy = "OrderedReady".to_owned();
    }
    let strategy = &mut spec.update_strategy;
    if strategy.type_.is_empty() {
        strategy.type_ = "RollingUpdate".to_owned();
        strategy.rolling_update.get_or_insert_default();
    }
    if strategy.type_ == "RollingUpdate"
        && let Some(rolling) = &mut strategy.rolling_update
    {
        rolling.partition.get_or_insert(0);
    }
    let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    for field in [&mut retention.when_deleted, &mut retention.when_scaled] {
        if field.is_empty() {
            *field = "Retain".to_owned();
        }
    }
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    pod::defaults::set_template(&mut spec.template);
    for claim in &mut spec.volume_claim_templates {
        persistent_volume_claim::defaults::set(claim);
    }
}
