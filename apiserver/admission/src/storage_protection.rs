//! `StorageObjectInUseProtection`: claims and volumes are not removed while they are used.
//!
//! Upstream protects attribute classes too. Here nobody takes that finalizer away yet
//! (`volumeattributesclass-protection-controller`), and a deleted class would stay forever.
//!
//! Source: `plugin/pkg/admission/storage/storageobjectinuseprotection`.

use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;

/// The plugin. It only adds finalizers; controllers take them away.
pub struct StorageObjectInUseProtection;

#[async_trait]
impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let resource = &attributes.resource;
        let finalizer =
            match (resource.group.as_ref(), resource.resource.as_ref(), attributes.subresource.as_str()) {
                ("", "persistentvolumes", "") => "kubernetes.io/pv-protection",
                ("", "persistentvolumeclaims", "") => "kubernetes.io/pvc-protection",
                _ => return Ok(()),
            };
        if let Some(object) = attributes.object.as_deref_mut() {
            let finalizers = &mut object.meta_mut().finalizers;
            if !finalizers.iter().any(|present| present == finalizer) {
                finalizers.push(finalizer.to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim};
    use api_types::storage::v1::VolumeAttributesClass;
    use machinery::Resource;
    use serde_json::json;

    use super::*;
    use crate::testing::{create, object};

    async fn finalizers<T: Resource>(present: &[&str]) -> Vec<String> {
        let mut attributes = create::<T>(object(json!({"metadata": {"name": "o", "finalizers": present}})));
        StorageObjectInUseProtection.admit(&mut attributes).await.unwrap();
        attributes.object.unwrap().meta().finalizers.clone()
    }

    #[tokio::test]
    async fn each_kind_has_its_finalizer() {
        assert_eq!(finalizers::<PersistentVolume>(&["a"]).await, ["a", "kubernetes.io/pv-protection"]);
        assert_eq!(finalizers::<PersistentVolumeClaim>(&[]).await, ["kubernetes.io/pvc-protection"]);
        let present = ["kubernetes.io/pvc-protection"];
        assert_eq!(finalizers::<PersistentVolumeClaim>(&present).await, present);
        assert!(finalizers::<VolumeAttributesClass>(&[]).await.is_empty());
        assert!(finalizers::<ConfigMap>(&[]).await.is_empty());
    }
}
