//! `PersistentVolumeClaimResize`: claims grow only when they are bound and their class lets them.
//!
//! Source: `plugin/pkg/admission/storage/persistentvolume/resize`.

use std::cmp::Ordering;

use api_types::core::v1::PersistentVolumeClaim;
use api_types::storage::v1::StorageClass;
use async_trait::async_trait;
use machinery::Quantity;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::default_class::STORAGE_CLASS_ANNOTATION;
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The plugin.
pub struct PersistentVolumeClaimResize {
    lookup: Lookup,
}

impl PersistentVolumeClaimResize {
    /// Looks classes up by `lookup`.
    pub fn new(lookup: Lookup) -> PersistentVolumeClaimResize {
        PersistentVolumeClaimResize { lookup }
    }
}

#[async_trait]
impl Plugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "persistentvolumeclaims", "") {
            return Ok(());
        }
        let claims = attributes.object_as().zip(attributes.old_object_as());
        let Some((new, old)) = claims else { return Ok(()) };
        if size(new).compare(&size(old)) != Ordering::Greater {
            return Ok(());
        }
        if old.status.phase != "Bound" {
            return Err(attributes.forbidden("Only bound persistent volume claims can be expanded"));
        }
        let class: Option<StorageClass> = match class_name(new) {
            "" => None,
            name if name != class_name(old) => None,
            name => self.lookup.find("", name).await?,
        };
        if class.and_then(|class| class.allow_volume_expansion) == Some(true) {
            return Ok(());
        }
        Err(attributes.forbidden(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
             resize",
        ))
    }
}

fn size(claim: &PersistentVolumeClaim) -> Quantity {
    claim.spec.resources.requests.get("storage").cloned().unwrap_or_default()
}

fn class_name(claim: &PersistentVolumeClaim) -> &str {
    let annotation = claim.metadata.annotations.get(STORAGE_CLASS_ANNOTATION);
    annotation.or(claim.spec.storage_class_name.as_ref()).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Known, object, request};

    fn claim(class: &str, size: &str, phase: &str) -> PersistentVolumeClaim {
        object(json!({
            "metadata": {"name": "c", "namespace": "ns"},
            "spec": {"storageClassName": class, "resources": {"requests": {"storage": size}}},
            "status": {"phase": phase},
        }))
    }

    #[tokio::test]
    async fn claims_grow_when_bound_and_allowed() {
        let class = |name: &str, grows: bool| -> StorageClass {
            object(json!({"metadata": {"name": name}, "allowVolumeExpansion": grows}))
        };
        let plugin = PersistentVolumeClaimResize::new(
            Known::new().with(class("yes", true)).with(class("no", false)).lookup(),
        );
        let support = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                       support resize";
        let cases = [
            (claim("yes", "1Gi", "Bound"), claim("yes", "2Gi", "Bound"), None),
            (claim("no", "1Gi", "Bound"), claim("no", "1024Mi", "Bound"), None),
            (claim("no", "2Gi", "Bound"), claim("no", "1Gi", "Bound"), None),
            (claim("no", "1Gi", "Bound"), claim("no", "2Gi", "Bound"), Some(support)),
            (claim("gone", "1Gi", "Bound"), claim("gone", "2Gi", "Bound"), Some(support)),
            (claim("", "1Gi", "Bound"), claim("", "2Gi", "Bound"), Some(support)),
            (claim("no", "1Gi", "Bound"), claim("yes", "2Gi", "Bound"), Some(support)),
            (
                claim("yes", "1Gi", "Pending"),
                claim("yes", "2Gi", "Pending"),
                Some("Only bound persistent volume claims can be expanded"),
            ),
        ];
        for (old, new, expected) in cases {
            let attributes = request(Operation::Update, Some(new), Some(old));
            let answer = plugin.validate(&attributes).await.err().map(|error| error.to_string());
            let expected = expected.map(|text| format!("persistentvolumeclaims \"c\" is forbidden: {text}"));
            assert_eq!(answer, expected);
        }
    }
}
