//! Writing the objects of a manifest text through the API, each as the kind it says it is.

use api_types::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{ConfigMap, Service, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use futures_util::future::BoxFuture;
use machinery::{Resource, codec::yaml};
use serde_json::Value;

use super::{ClusterError, access::ClusterAccess};

type Write = for<'a> fn(&'a ClusterAccess, &'a Value) -> BoxFuture<'a, Result<(), ClusterError>>;

/// The kinds that add-ons are made of.
const KINDS: [(&str, Write); 9] = [
    ("ServiceAccount", write::<ServiceAccount>),
    ("ConfigMap", write::<ConfigMap>),
    ("Service", write::<Service>),
    ("Deployment", write::<Deployment>),
    ("DaemonSet", write::<DaemonSet>),
    ("ClusterRole", write::<ClusterRole>),
    ("ClusterRoleBinding", write::<ClusterRoleBinding>),
    ("Role", write::<Role>),
    ("RoleBinding", write::<RoleBinding>),
];

fn write<'a, T: Resource>(
    cluster: &'a ClusterAccess,
    value: &'a Value,
) -> BoxFuture<'a, Result<(), ClusterError>> {
    Box::pin(async move {
        let object =
            T::from_value(value).map_err(|error| ClusterError::Manifest { message: error.to_string() })?;
        cluster.create_or_update(&object).await
    })
}

/// The documents of a text.
pub fn parse(text: &str) -> Result<Vec<Value>, ClusterError> {
    yaml::split_documents(text)
        .into_iter()
        .map(|document| {
            yaml::from_str(document).map_err(|error| ClusterError::Manifest { message: error.to_string() })
        })
        .collect()
}

/// Creates or updates all objects, in their order.
pub async fn apply(cluster: &ClusterAccess, objects: &[Value]) -> Result<(), ClusterError> {
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let (_, write) = KINDS.iter().find(|(known, _)| *known == kind).ok_or_else(|| {
            ClusterError::Manifest { message: format!("kind {kind:?} is not one that add-ons may have") }
        })?;
        write(cluster, object).await?;
    }
    Ok(())
}
