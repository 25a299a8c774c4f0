//! Scales of the kinds that have replicas.

use api_types::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    autoscaling::v1::{Scale, ScaleSpec, ScaleStatus},
    core::v1::ReplicationController,
};
use machinery::{
    meta::v1::{LabelSelector, ObjectMeta},
    object::Object,
    status::StatusError,
};

fn scale(meta: &ObjectMeta, wanted: Option<i32>, actual: i32, selector: String) -> Scale {
    Scale {
        metadata: ObjectMeta {
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            creation_timestamp: meta.creation_timestamp,
            ..Default::default()
        },
        spec: ScaleSpec { replicas: wanted.unwrap_or(0) },
        status: ScaleStatus { replicas: actual, selector },
    }
}

fn text(selector: Option<&LabelSelector>) -> Result<String, StatusError> {
    match selector {
        None => Ok(String::new()),
        Some(selector) => rules::selector::text(selector)
            .ok_or_else(|| StatusError::internal_error("the selector has an unknown operator")),
    }
}

fn wrong_kind() -> StatusError {
    StatusError::internal_error("the stored object is of another kind than its resource")
}

macro_rules! workload {
    ($read:ident, $write:ident, $kind:ty) => {
        /// The scale of an object.
        pub fn $read(object: &dyn Object) -> Result<Scale, StatusError> {
            let object = object.downcast_ref::<$kind>().ok_or_else(wrong_kind)?;
            let selector = text(object.spec.selector.as_deref())?;
            Ok(scale(&object.metadata, object.spec.replicas, object.status.replicas, selector))
        }

        /// Puts the wanted replicas into an object.
        pub fn $write(object: &mut dyn Object, scale: &Scale) -> Result<(), StatusError> {
            object.downcast_mut::<$kind>().ok_or_else(wrong_kind)?.spec.replicas = Some(scale.spec.replicas);
            Ok(())
        }
    };
}

workload!(read_deployment, write_deployment, Deployment);
workload!(read_replica_set, write_replica_set, ReplicaSet);
workload!(read_stateful_set, write_stateful_set, StatefulSet);

/// The scale of an object.
pub fn read_replication_controller(object: &dyn Object) -> Result<Scale, StatusError> {
    let object = object.downcast_ref::<ReplicationController>().ok_or_else(wrong_kind)?;
    let pairs: Vec<String> =
        object.spec.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(scale(&object.metadata, object.spec.replicas, object.status.replicas, pairs.join(",")))
}

/// Puts the wanted replicas into an object.
pub fn write_replication_controller(object: &mut dyn Object, scale: &Scale) -> Result<(), StatusError> {
    object.downcast_mut::<ReplicationController>().ok_or_else(wrong_kind)?.spec.replicas =
        Some(scale.spec.replicas);
    Ok(())
}
