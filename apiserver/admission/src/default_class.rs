//! `DefaultStorageClass` and `DefaultIngressClass`: objects that name no class get the default one.
//!
//! Source: `plugin/pkg/admission/storage/storageclass/setdefault` and
//! `plugin/pkg/admission/network/defaultingressclass`.

use api_types::core::v1::PersistentVolumeClaim;
use api_types::networking::v1::{Ingress, IngressClass};
use api_types::storage::v1::StorageClass;
use async_trait::async_trait;
use machinery::Resource;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The annotations that make a storage class the default.
const DEFAULT_STORAGE: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
/// The annotation that makes an ingress class the default.
const DEFAULT_INGRESS: [&str; 1] = ["ingressclass.kubernetes.io/is-default-class"];
/// Claims named their class like this once.
pub(crate) const STORAGE_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// Ingresses named their class like this once.
const INGRESS_CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The plugin for claims.
pub struct DefaultStorageClass {
    lookup: Lookup,
}

impl DefaultStorageClass {
    /// Finds classes with `lookup`.
    pub fn new(lookup: Lookup) -> DefaultStorageClass {
        DefaultStorageClass { lookup }
    }
}

#[async_trait]
impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "persistentvolumeclaims", "") {
            return Ok(());
        }
        let Some(claim) = attributes.object_as::<PersistentVolumeClaim>() else { return Ok(()) };
        let named = claim.metadata.annotations.contains_key(STORAGE_CLASS_ANNOTATION);
        // An empty name asks for no class at all.
        if named || claim.spec.storage_class_name.is_some() {
            return Ok(());
        }
        let default = default_name::<StorageClass>(&self.lookup, &DEFAULT_STORAGE).await;
        let default = default.map_err(|error| attributes.forbidden(error))?;
        if let (Some(claim), Some(name)) = (attributes.object_as_mut::<PersistentVolumeClaim>(), default) {
            claim.spec.storage_class_name = Some(name);
        }
        Ok(())
    }
}

/// The plugin for ingresses.
pub struct DefaultIngressClass {
    lookup: Lookup,
}

impl DefaultIngressClass {
    /// Finds classes with `lookup`.
    pub fn new(lookup: Lookup) -> DefaultIngressClass {
        DefaultIngressClass { lookup }
    }
}

#[async_trait]
impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("networking.k8s.io", "ingresses", "") {
            return Ok(());
        }
        let Some(ingress) = attributes.object_as::<Ingress>() else { return Ok(()) };
        let named = ingress.metadata.annotations.contains_key(INGRESS_CLASS_ANNOTATION);
        if named || ingress.spec.ingress_class_name.is_some() {
            return Ok(());
        }
        let default = default_name::<IngressClass>(&self.lookup, &DEFAULT_INGRESS).await;
        let default = default.map_err(|error| attributes.forbidden(error))?;
        if let (Some(ingress), Some(name)) = (attributes.object_as_mut::<Ingress>(), default) {
            ingress.spec.ingress_class_name = Some(name);
        }
        Ok(())
    }
}

/// The newest class that is marked; of equally old ones the first by name.
async fn default_name<T: Resource>(lookup: &Lookup, marks: &[&str]) -> Result<Option<String>, StatusError> {
    let classes: Vec<T> = lookup.list("").await?;
    let is_default = |class: &&T| {
        let annotations = &class.metadata().annotations;
        marks.iter().any(|mark| annotations.get(*mark).is_some_and(|value| value == "true"))
    };
    let newest = classes.iter().filter(is_default).min_by(|left, right| {
        let age = |class: &T| class.metadata().creation_timestamp.to_timestamp();
        age(right).cmp(&age(left)).then_with(|| left.metadata().name.cmp(&right.metadata().name))
    });
    Ok(newest.map(|class| class.metadata().name.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Known, create, object};

    fn class<T: Resource>(name: &str, mark: &str, value: &str, second: u8) -> T {
        object(json!({"metadata": {
            "name": name, "annotations": {mark: value}, "creationTimestamp": format!("2026-01-01T00:00:0{second}Z"),
        }}))
    }

    async fn class_of_claim(known: Known, claim: Value) -> Option<String> {
        let mut attributes = create::<PersistentVolumeClaim>(object(claim));
        DefaultStorageClass::new(known.lookup()).admit(&mut attributes).await.unwrap();
        attributes.object_as::<PersistentVolumeClaim>()?.spec.storage_class_name.clone()
    }

    #[tokio::test]
    async fn claims_get_the_newest_default() {
        let world = || {
            Known::new()
                .with::<StorageClass>(class("old", DEFAULT_STORAGE[0], "true", 1))
                .with::<StorageClass>(class("z", DEFAULT_STORAGE[0], "true", 2))
                .with::<StorageClass>(class("beta", DEFAULT_STORAGE[1], "true", 2))
                .with::<StorageClass>(class("newest", DEFAULT_STORAGE[0], "false", 3))
        };
        assert_eq!(class_of_claim(world(), json!({})).await.as_deref(), Some("beta"));
        assert_eq!(class_of_claim(Known::new(), json!({})).await, None);
        let none = json!({"spec": {"storageClassName": ""}});
        assert_eq!(class_of_claim(world(), none).await.as_deref(), Some(""));
        let old = json!({"metadata": {"annotations": {STORAGE_CLASS_ANNOTATION: "own"}}});
        assert_eq!(class_of_claim(world(), old).await, None);
    }

    #[tokio::test]
    async fn ingresses_get_the_default() {
        let class_of = async |ingress: Value| {
            let known = Known::new().with::<IngressClass>(class("nginx", DEFAULT_INGRESS[0], "true", 1));
            let mut attributes = create::<Ingress>(object(ingress));
            DefaultIngressClass::new(known.lookup()).admit(&mut attributes).await.unwrap();
            attributes.object_as::<Ingress>().unwrap().spec.ingress_class_name.clone()
        };
        assert_eq!(class_of(json!({})).await.as_deref(), Some("nginx"));
        assert_eq!(class_of(json!({"spec": {"ingressClassName": "own"}})).await.as_deref(), Some("own"));
        assert_eq!(
            class_of(json!({"metadata": {"annotations": {INGRESS_CLASS_ANNOTATION: "own"}}})).await,
            None
        );
    }
}
