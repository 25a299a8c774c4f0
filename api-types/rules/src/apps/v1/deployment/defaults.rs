//! Defaults of deployments.

use crate::core::v1::pod;
use api_types::apps::v1::Deployment;
use machinery::IntOrString;

/// Defaults of a deployment.
pub fn set(deployment: &mut Deployment) {
    let spec = &mut deployment.spec;
    spec.replicas.get_or_insert(1);
    if spec.strategy.type_.is_empty() {
        spec.strategy.type_ = "RollingUpdate".to_owned();
    }
    if spec.strategy.type_ == "RollingUpdate" {
        let rolling = spec.strategy.rolling_update.get_or_insert_default();
        let quarter = || IntOrString::String("25%".to_owned());
        rolling.max_unavailable.get_or_insert_with(quarter);
        rolling.max_surge.get_or_insert_with(quarter);
    }
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    pod::defaults::set_template(&mut spec.template);
}
