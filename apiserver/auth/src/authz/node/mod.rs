//! The Node authorizer: a kubelet may touch its own node and what the pods bound to it refer to.

pub mod graph;
pub mod pod_references;

use std::sync::Arc;

use api_types::rbac::v1::PolicyRule;
use async_trait::async_trait;

pub use graph::{NodeGraph, Vertex};

use super::rbac::matching::rule_allows;
use super::{Attributes, Authorizer, Decision, ResolvedRules};
use crate::UserInfo;

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Decides about requests of members of `system:nodes`; has no opinion about anyone else.
pub struct NodeAuthorizer {
    graph: Arc<NodeGraph>,
    /// What every kubelet may do with resources that are not named below.
    rules: Vec<PolicyRule>,
}

/// What the special treatment of one resource is.
enum Treatment {
    /// `get`, `list` and `watch` of single objects related to the node.
    Read(Vertex),
    /// `get` of single objects related to the node.
    Get(Vertex),
    /// As `Get`, and `update` and `patch` of the status.
    GetAndStatus(Vertex),
    ServiceAccount,
    Lease,
    CsiNode,
    ResourceSlice,
    Node,
    Pod,
    PodCertificateRequest,
}

fn treatment(group: &str, resource: &str) -> Option<Treatment> {
    Some(match (group, resource) {
        ("", "secrets") => Treatment::Read(Vertex::Secret),
        ("", "configmaps") => Treatment::Read(Vertex::ConfigMap),
        ("", "persistentvolumeclaims") => Treatment::GetAndStatus(Vertex::PersistentVolumeClaim),
        ("", "persistentvolumes") => Treatment::Get(Vertex::PersistentVolume),
        ("", "serviceaccounts") => Treatment::ServiceAccount,
        ("", "nodes") => Treatment::Node,
        ("", "pods") => Treatment::Pod,
        ("resource.k8s.io", "resourceclaims") => Treatment::Get(Vertex::ResourceClaim),
        ("resource.k8s.io", "resourceslices") => Treatment::ResourceSlice,
        ("storage.k8s.io", "volumeattachments") => Treatment::Get(Vertex::VolumeAttachment),
        ("storage.k8s.io", "csinodes") => Treatment::CsiNode,
        ("coordination.k8s.io", "leases") => Treatment::Lease,
        ("certificates.k8s.io", "podcertificaterequests") => Treatment::PodCertificateRequest,
        _ => return None,
    })
}

impl NodeAuthorizer {
    /// Decides by the relations in `graph` and, for other resources, by `rules`.
    pub fn new(graph: Arc<NodeGraph>, rules: Vec<PolicyRule>) -> Self {
        NodeAuthorizer { graph, rules }
    }

    fn decide(&self, node: &str, request: &Attributes<'_>) -> Decision {
        let treatment = request.resource_request.then(|| treatment(request.api_group, request.resource));
        match treatment.flatten() {
            None if self.rules.iter().any(|rule| rule_allows(request, rule)) => Decision::allow(""),
            None => Decision::no_opinion(""),
            Some(Treatment::Read(vertex)) => self.read(node, vertex, request),
            Some(Treatment::GetAndStatus(vertex)) if request.subresource == "status" => {
                if !matches!(request.verb, "update" | "patch") {
                    return Decision::no_opinion("can only get/update/patch this type");
                }
                self.related(node, vertex, request)
            }
            Some(Treatment::Get(vertex) | Treatment::GetAndStatus(vertex)) => self.get(node, vertex, request),
            Some(Treatment::ServiceAccount) => self.service_account(node, request),
            Some(Treatment::Lease) => lease(node, request),
            Some(Treatment::CsiNode) => csi_node(node, request),
            Some(Treatment::ResourceSlice) => self.resource_slice(node, request),
            Some(Treatment::Node) => own_node(node, request),
            Some(Treatment::Pod) => self.pod(node, request),
            Some(Treatment::PodCertificateRequest) => self.pod_certificate_request(node, request),
        }
    }

    fn related(&self, node: &str, vertex: Vertex, request: &Attributes<'_>) -> Decision {
        if request.name.is_empty() {
            return Decision::no_opinion("No Object name found");
        }
        if self.graph.is_related(node, vertex, request.namespace, request.name) {
            return Decision::allow("");
        }
        Decision::no_opinion(format!("no relationship found between node '{node}' and this object"))
    }

    fn get(&self, node: &str, vertex: Vertex, request: &Attributes<'_>) -> Decision {
        if request.verb != "get" {
            return Decision::no_opinion("can only get individual resources of this type");
        }
        if !request.subresource.is_empty() {
            return Decision::no_opinion("cannot get subresource");
        }
        self.related(node, vertex, request)
    }

    fn read(&self, node: &str, vertex: Vertex, request: &Attributes<'_>) -> Decision {
        if !request.is_read_only() {
            return Decision::no_opinion("can only read resources of this type");
        }
        if !request.subresource.is_empty() {
            return Decision::no_opinion("cannot read subresource");
        }
        if request.namespace.is_empty() {
            return Decision::no_opinion("can only read namespaced object of this type");
        }
        self.related(node, vertex, request)
    }

    fn service_account(&self, node: &str, request: &Attributes<'_>) -> Decision {
        if request.verb == "get" && request.subresource.is_empty() {
            return self.read(node, Vertex::ServiceAccount, request);
        }
        if request.verb != "create" || request.name.is_empty() {
            return Decision::no_opinion("can only create tokens for individual service accounts");
        }
        if request.subresource != "token" {
            return Decision::no_opinion("can only create token subresource of serviceaccount");
        }
        self.related(node, Vertex::ServiceAccount, request)
    }

    fn resource_slice(&self, node: &str, request: &Attributes<'_>) -> Decision {
        if !request.subresource.is_empty() {
            return Decision::no_opinion("cannot authorize ResourceSlice subresources");
        }
        match request.verb {
            "create" => Decision::allow(""),
            "get" | "update" | "patch" | "delete" => self.related(node, Vertex::ResourceSlice, request),
            "watch" | "list" | "deletecollection" if selects_node(request, node) => Decision::allow(""),
            "watch" | "list" | "deletecollection" => Decision::no_opinion(
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => Decision::no_opinion(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, \
                 patch, delete, deletecollection",
            ),
        }
    }

    fn pod(&self, node: &str, request: &Attributes<'_>) -> Decision {
        match (request.subresource, request.verb) {
            ("", "get") => self.get(node, Vertex::Pod, request),
            ("", "list" | "watch") if selects_node(request, node) => Decision::allow(""),
            ("", "list" | "watch") if !request.name.is_empty() => self.related(node, Vertex::Pod, request),
            ("", "list" | "watch") => {
                Decision::no_opinion("can only list/watch pods with spec.nodeName field selector")
            }
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Decision::allow("")
            }
            _ => Decision::no_opinion(""),
        }
    }

    fn pod_certificate_request(&self, node: &str, request: &Attributes<'_>) -> Decision {
        if !request.subresource.is_empty() {
            return Decision::no_opinion(
                "nodes may not access the status subresource of PodCertificateRequests",
            );
        }
        match request.verb {
            "create" => Decision::allow(""),
            "get" => self.related(node, Vertex::PodCertificateRequest, request),
            "list" | "watch" if selects_node(request, node) => Decision::allow(""),
            "list" | "watch" => Decision::no_opinion(
                "can only list/watch podcertificaterequests with nodeName field selector",
            ),
            verb => Decision::no_opinion(format!("nodes may not {verb} podcertificaterequests")),
        }
    }
}

fn selects_node(request: &Attributes<'_>, node: &str) -> bool {
    request.field_requirements.iter().any(|requirement| {
        requirement.field == "spec.nodeName" && requirement.equals && requirement.value == node
    })
}

fn lease(node: &str, request: &Attributes<'_>) -> Decision {
    if !matches!(request.verb, "get" | "create" | "update" | "patch" | "delete") {
        return Decision::no_opinion("can only get, create, update, patch, or delete a node lease");
    }
    if request.namespace != LEASE_NAMESPACE {
        return Decision::no_opinion(format!(
            "can only access leases in the {LEASE_NAMESPACE:?} system namespace"
        ));
    }
    if request.verb != "create" && request.name != node {
        return Decision::no_opinion("can only access node lease with the same name as the requesting node");
    }
    Decision::allow("")
}

fn csi_node(node: &str, request: &Attributes<'_>) -> Decision {
    if !matches!(request.verb, "get" | "create" | "update" | "patch" | "delete") {
        return Decision::no_opinion("can only get, create, update, patch, or delete a CSINode");
    }
    if !request.subresource.is_empty() {
        return Decision::no_opinion("cannot authorize CSINode subresources");
    }
    if request.verb != "create" && request.name != node {
        return Decision::no_opinion("can only access CSINode with the same name as the requesting node");
    }
    Decision::allow("")
}

fn own_node(node: &str, request: &Attributes<'_>) -> Decision {
    match (request.subresource, request.verb) {
        // Which node is written is NodeRestriction's business, for the name may be only in the body.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Decision::allow(""),
        ("", "get" | "list" | "watch") => match request.name {
            name if name == node => Decision::allow(""),
            "" => {
                Decision::no_opinion(format!("node '{node}' cannot read all nodes, only its own Node object"))
            }
            other => {
                Decision::no_opinion(format!("node '{node}' cannot read '{other}', only its own Node object"))
            }
        },
        _ => Decision::no_opinion(""),
    }
}

#[async_trait]
impl Authorizer for NodeAuthorizer {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        match attributes.user.node_identity() {
            None => Decision::no_opinion(""),
            Some("") => Decision::no_opinion(format!("unknown node for user {:?}", attributes.user.username)),
            Some(node) => self.decide(node, attributes),
        }
    }

    async fn rules_for(&self, user: &UserInfo, _: &str) -> ResolvedRules {
        if user.node_identity().is_none() {
            return ResolvedRules::default();
        }
        let errors = vec!["node authorizer does not support user rule resolution".to_string()];
        ResolvedRules { rules: Vec::new(), incomplete: true, errors }
    }
}

#[cfg(test)]
mod tests;
