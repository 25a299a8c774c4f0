//! Defaults of daemon sets.

use crate::core::v1::pod;
use api_types::apps::v1::DaemonSet;
use machinery::IntOrString;

/// Defaults of a daemon set.
pub fn set(daemon_set: &mut DaemonSet) {
    let spec = &mut daemon_set.spec;
    let strategy = &mut spec.update_strategy;
    if strategy.type_.is_empty() {
        strategy.type_ = "RollingUpdate".to_owned();
    }
    if strategy.type_ == "RollingUpdate" {
        let rolling = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    }
    spec.revision_history_limit.get_or_insert(10);
    pod::defaults::set_template(&mut spec.template);
}
