//! Defaults of ingress classes.

use api_types::networking::v1::IngressClass;

/// Defaults of an ingress class.
pub fn set(class: &mut IngressClass) {
    if let Some(parameters) = &mut class.spec.parameters {
        parameters.scope.get_or_insert_with(|| "Cluster".to_owned());
    }
}
