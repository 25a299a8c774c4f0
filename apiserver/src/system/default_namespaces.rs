//! The namespaces every cluster has.

use api_types::core::v1::Namespace;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;

use super::typed::Typed;

/// Where the system's own objects live, and where users' objects go that name no namespace.
pub const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

/// Creates those that are missing.
pub async fn ensure(typed: &Typed) -> Result<(), StatusError> {
    for name in NAMESPACES {
        let namespace = Namespace {
            metadata: ObjectMeta { name: name.into(), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        if typed.create_if_absent(namespace).await? {
            tracing::info!(name, "created a default namespace");
        }
    }
    Ok(())
}
