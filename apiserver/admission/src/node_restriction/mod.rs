//! `NodeRestriction`: a kubelet changes only its own node, its own pods and what belongs to them.
//!
//! Source: `plugin/pkg/admission/noderestriction`, with the feature gates at their defaults.

mod audiences;
mod claims;
mod nodes;
mod others;
mod pods;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::authentication::v1::TokenRequest;
use api_types::core::v1::{Node, Pod};
use api_types::policy::v1::Eviction;
use apiserver_auth::authz::Authorizer;
use async_trait::async_trait;
use machinery::status::StatusError;
use machinery::{GroupResource, Resource};

use crate::attributes::{Attributes, Operation};
use crate::lookup::Lookup;
use crate::plugin::Plugin;

/// The plugin.
pub struct NodeRestriction {
    lookup: Lookup,
    authorizer: Arc<dyn Authorizer>,
}

/// Why a request is refused.
enum Refusal {
    /// With this explanation.
    Forbidden(String),
    /// With an answer of its own, such as that an object is missing.
    Other(StatusError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal::Forbidden(reason)
    }
}

impl NodeRestriction {
    /// Looks objects up by `lookup`; `authorizer` may allow further audiences of tokens.
    pub fn new(lookup: Lookup, authorizer: Arc<dyn Authorizer>) -> NodeRestriction {
        NodeRestriction { lookup, authorizer }
    }

    async fn judge(&self, node: &str, attributes: &Attributes) -> Result<(), Refusal> {
        let resource = &attributes.resource;
        let subresource = attributes.subresource.as_str();
        match (resource.group.as_ref(), resource.resource.as_ref(), subresource) {
            ("", "pods", "") => self.pod(node, attributes).await,
            ("", "pods", "status") => Ok(pods::judge_status(node, attributes)?),
            ("", "pods", "eviction") => self.eviction(node, attributes).await,
            ("", "pods", other) => {
                let allowed = "only 'status' and 'eviction' are allowed";
                Err(format!("unexpected pod subresource {other:?}, {allowed}").into())
            }
            ("", "nodes", _) => Ok(nodes::judge(node, attributes)?),
            ("", "persistentvolumeclaims", "status") => Ok(claims::judge_status(node, attributes)?),
            ("", "persistentvolumeclaims", _) => Err("may only update PVC status".to_owned().into()),
            ("", "serviceaccounts", "token") if attributes.operation == Operation::Create => {
                self.token(node, attributes).await
            }
            ("certificates.k8s.io", "podcertificaterequests", _) => {
                Err("PodCertificateRequest feature gate is disabled".to_owned().into())
            }
            ("coordination.k8s.io", "leases", _) => Ok(others::judge_lease(node, attributes)?),
            ("storage.k8s.io", "csinodes", _) => Ok(others::judge_csi_node(node, attributes)?),
            ("resource.k8s.io", "resourceslices", _) => Ok(others::judge_resource_slice(node, attributes)?),
            ("certificates.k8s.io", "certificatesigningrequests", _) => {
                Ok(others::judge_signing_request(node, attributes)?)
            }
            _ => Ok(()),
        }
    }

    /// An object that the request is about.
    async fn existing<T: Resource>(&self, namespace: &str, name: &str) -> Result<T, Refusal> {
        let found = self.lookup.find::<T>(namespace, name).await;
        let found = found.map_err(|error| Refusal::Forbidden(error.to_string()))?;
        let resource = GroupResource::new(T::GROUP, T::PLURAL);
        found.ok_or_else(|| Refusal::Other(StatusError::not_found(&resource, name)))
    }

    async fn pod(&self, node: &str, attributes: &Attributes) -> Result<(), Refusal> {
        match attributes.operation {
            Operation::Create => {
                let pod: &Pod = object_of(attributes)?;
                let owner = pods::judge_mirror(node, pod)?;
                // Only then does the uid matter.
                let known: Node = self.existing("", node).await?;
                pods::judge_owner(&known, owner)?;
                Ok(pods::judge_references(node, pod)?)
            }
            Operation::Delete => {
                let pod: Pod = self.existing(&attributes.namespace, &attributes.name).await?;
                if pod.spec.node_name == node {
                    return Ok(());
                }
                Err(format!("node {node:?} can only delete pods with spec.nodeName set to itself").into())
            }
            operation => {
                let name = operation.name();
                Err(format!(
                    "unexpected operation {name:?}, node {node:?} can only create and delete mirror pods"
                )
                .into())
            }
        }
    }

    async fn eviction(&self, node: &str, attributes: &Attributes) -> Result<(), Refusal> {
        if attributes.operation != Operation::Create {
            return Err(format!("unexpected operation {}", attributes.operation.name()).into());
        }
        let eviction: &Eviction = object_of(attributes)?;
        let name = [&attributes.name, &eviction.metadata.name].into_iter().find(|name| !name.is_empty());
        let name = name.ok_or_else(|| "could not determine pod from request data".to_owned())?;
        let pod: Pod = self.existing(&attributes.namespace, name).await?;
        if pod.spec.node_name == node {
            return Ok(());
        }
        Err(format!("node {node} can only evict pods with spec.nodeName set to itself").into())
    }

    /// Tokens are for pods that run here, and for audiences that these mount.
    async fn token(&self, node: &str, attributes: &Attributes) -> Result<(), Refusal> {
        let request: &TokenRequest = object_of(attributes)?;
        let bound = request.spec.bound_object_ref.as_deref();
        let bound =
            bound.filter(|bound| bound.api_version == "v1" && bound.kind == "Pod" && !bound.name.is_empty());
        let bound = bound.ok_or_else(|| "node requested token not bound to a pod".to_owned())?;
        if bound.uid.is_empty() {
            return Err("node requested token with a pod binding without a uid".to_owned().into());
        }
        let pod: Pod = self.existing(&attributes.namespace, &bound.name).await?;
        if bound.uid != pod.metadata.uid {
            return Err(format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have \
                 been deleted and then recreated",
                bound.uid
            )
            .into());
        }
        if pod.spec.node_name != node {
            return Err("node requested token bound to a pod scheduled on a different node"
                .to_owned()
                .into());
        }
        let audience = match request.spec.audiences.as_slice() {
            [] => "",
            [audience] => audience,
            _ => return Err("node may only request 0 or 1 audiences".to_owned().into()),
        };
        Ok(audiences::judge(&self.lookup, &*self.authorizer, attributes, &pod, audience).await?)
    }
}

#[async_trait]
impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation != Operation::Connect
    }

    async fn admit(&self, attributes: &mut Attributes) -> Result<(), StatusError> {
        let Some(node) = attributes.user.node_identity() else { return Ok(()) };
        if node.is_empty() {
            let user = &attributes.user.username;
            return Err(attributes.forbidden(format!("could not determine node from user {user:?}")));
        }
        self.judge(node, attributes).await.map_err(|refusal| match refusal {
            Refusal::Forbidden(reason) => attributes.forbidden(reason),
            Refusal::Other(error) => error,
        })
    }
}

/// The object of the request.
fn object_of<T: Resource>(attributes: &Attributes) -> Result<&T, String> {
    typed(attributes.object.as_deref())
}

/// The object as it is stored.
fn old_object_of<T: Resource>(attributes: &Attributes) -> Result<&T, String> {
    typed(attributes.old_object.as_deref())
}

fn typed<T: Resource>(object: Option<&dyn machinery::object::Object>) -> Result<&T, String> {
    let typed = object.and_then(|object| object.downcast_ref::<T>());
    typed.ok_or_else(|| {
        let found = object.map_or_else(|| "nothing".to_owned(), |object| object.kind().kind.to_string());
        format!("unexpected type {found}, expected {}", T::KIND)
    })
}
