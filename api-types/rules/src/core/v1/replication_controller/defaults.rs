//! Defaults of replication controllers.

use crate::core::v1::pod;
use api_types::core::v1::ReplicationController;

/// Defaults of a replication controller: selector and labels follow from the template.
pub fn set(controller: &mut ReplicationController) {
    if let Some(template) = &mut controller.spec.template {
        let labels = &template.metadata.labels;
        if controller.spec.selector.is_empty() {
            controller.spec.selector = labels.clone();
        }
        if controller.metadata.labels.is_empty() {
            controller.metadata.labels = labels.clone();
        }
        pod::defaults::set_template(template);
    }
    controller.spec.replicas.get_or_insert(1);
}
