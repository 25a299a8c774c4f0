//! `NamespaceLifecycle`: nothing is written into a namespace that is missing, nothing new into one that is
//! going, and the namespaces of the system stay.
//!
//! Source: `apiserver/pkg/admission/plugin/namespace/lifecycle`.

#[cfg(test)]
mod tests;

use api_types::core::v1::Namespace;
use async_trait::async_trait;
use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use machinery::status::StatusError;
use parking_lot::Mutex;

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// Namespaces that may not be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];
/// How long the watch cache is not trusted about a namespace whose deletion was asked for.
const DISTRUST: SignedDuration = SignedDuration::from_secs(30);
/// How many such namespaces are remembered.
const REMEMBERED: usize = 100;

/// The plugin.
pub struct NamespaceLifecycle {
    lookup: Lookup,
    /// Namespaces whose deletion was asked for, and until when that matters.
    deleted: Mutex<HashMap<String, Timestamp>>,
}

impl NamespaceLifecycle {
    /// Looks namespaces up by `lookup`.
    pub fn new(lookup: Lookup) -> NamespaceLifecycle {
        NamespaceLifecycle { lookup, deleted: Mutex::default() }
    }

    fn remember(&self, namespace: &str, now: Timestamp) {
        let mut deleted = self.deleted.lock();
        deleted.retain(|_, until| *until > now);
        if deleted.len() >= REMEMBERED {
            let oldest = deleted.iter().min_by_key(|(_, until)| **until).map(|(name, _)| name.clone());
            oldest.map(|name| deleted.remove(&name));
        }
        deleted.insert(namespace.to_owned(), now + DISTRUST);
    }

    fn is_deleted(&self, namespace: &str, now: Timestamp) -> bool {
        self.deleted.lock().get(namespace).is_some_and(|until| *until > now)
    }

    /// The namespace of the request. Reads of the store are linearizable, so that a namespace that was made a
    /// moment ago is found without waiting for the cache.
    async fn namespace(&self, attributes: &Attributes) -> Result<Namespace, StatusError> {
        let name = &attributes.namespace;
        let cached: Option<Namespace> =
            self.lookup.cached("", name).await.map_err(StatusError::internal_error)?;
        if let Some(namespace) = cached {
            let stale = namespace.status.phase == "Active" && self.is_deleted(name, attributes.now);
            if !stale {
                return Ok(namespace);
            }
        }
        let live = self.lookup.live("", name).await.map_err(StatusError::internal_error)?;
        live.ok_or_else(|| StatusError::not_found(&machinery::GroupResource::new("", "namespaces"), name))
    }
}

#[async_trait]
impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation != Operation::Connect
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        match concern(attributes)? {
            Concern::None => Ok(()),
            Concern::Deletion => {
                self.remember(&attributes.name, attributes.now);
                Ok(())
            }
            Concern::Content => judge(attributes, &self.namespace(attributes).await?),
        }
    }
}

/// What a request has to do with the life of namespaces.
#[derive(Debug, PartialEq)]
enum Concern {
    None,
    /// A namespace is to go.
    Deletion,
    /// Something in a namespace is made or changed.
    Content,
}

fn concern(attributes: &Attributes) -> Result<Concern, StatusError> {
    let deletes = attributes.operation == Operation::Delete;
    let kind = &attributes.kind;
    if kind.group.is_empty() && kind.kind == "Namespace" {
        if deletes && IMMORTAL.contains(&attributes.name.as_str()) {
            let resource = attributes.resource.group_resource();
            return Err(StatusError::forbidden(
                &resource,
                &attributes.name,
                "this namespace may not be deleted",
            ));
        }
        return Ok(if deletes { Concern::Deletion } else { Concern::None });
    }
    let resource = &attributes.resource;
    // To say whether a namespace exists would tell more than who may do what in it.
    let reviews_access =
        resource.group == "authorization.k8s.io" && resource.resource == "localsubjectaccessreviews";
    if attributes.namespace.is_empty() || deletes || reviews_access {
        return Ok(Concern::None);
    }
    Ok(Concern::Content)
}

fn judge(attributes: &Attributes, namespace: &Namespace) -> Result<(), StatusError> {
    if attributes.operation != Operation::Create || namespace.status.phase != "Terminating" {
        return Ok(());
    }
    let name = &attributes.namespace;
    let refusal = attributes.forbidden(format!(
        "unable to create new content in namespace {name} because it is being terminated"
    ));
    let message = format!("namespace {name} is being terminated");
    Err(refusal.with_cause("NamespaceTerminating", message, "metadata.namespace"))
}
