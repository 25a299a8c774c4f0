//! Feeds the RBAC index and the Node authorizer's graph from the stores.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use api_types::core::v1::{PersistentVolume, Pod, PodSpec, PodStatus};
use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use api_types::resource::v1::ResourceSlice;
use api_types::storage::v1::VolumeAttachment;
use apiserver_auth::authz::node::{NodeGraph, Vertex};
use apiserver_auth::authz::rbac::PolicyIndex;
use apiserver_storage::cacher::CachedObject;
use component_base::Shutdown;
use machinery::Message as _;
use machinery::meta::v1::ObjectMeta;
use machinery::schema::Message;
use machinery::wire::Reader;

use super::follow::{Index, Relevance, follow};
use super::typed::Typed;

/// A flag that is set when the named index has seen everything once.
pub type Synced = (&'static str, Arc<AtomicBool>);

/// Starts to follow roles and bindings.
pub fn feed_policy(typed: &Typed, index: &Arc<PolicyIndex>, shutdown: &Shutdown) -> Vec<Synced> {
    vec![
        ("clusterroles", follow::<ClusterRole>(typed, Arc::new(PolicyFeed(index.clone())), shutdown)),
        (
            "clusterrolebindings",
            follow::<ClusterRoleBinding>(typed, Arc::new(PolicyFeed(index.clone())), shutdown),
        ),
        ("roles", follow::<Role>(typed, Arc::new(PolicyFeed(index.clone())), shutdown)),
        ("rolebindings", follow::<RoleBinding>(typed, Arc::new(PolicyFeed(index.clone())), shutdown)),
    ]
}

/// Starts to follow what relates objects to nodes. Kinds that are not served have no relations.
pub fn feed_node_graph(typed: &Typed, graph: &Arc<NodeGraph>, shutdown: &Shutdown) -> Vec<Synced> {
    let mut synced = Vec::new();
    if typed.serves::<Pod>() {
        synced.push(("pods", follow::<Pod>(typed, Arc::new(GraphFeed(graph.clone())), shutdown)));
    }
    if typed.serves::<PersistentVolume>() {
        synced.push((
            "persistentvolumes",
            follow::<PersistentVolume>(typed, Arc::new(GraphFeed(graph.clone())), shutdown),
        ));
    }
    if typed.serves::<VolumeAttachment>() {
        synced.push((
            "volumeattachments",
            follow::<VolumeAttachment>(typed, Arc::new(GraphFeed(graph.clone())), shutdown),
        ));
    }
    if typed.serves::<ResourceSlice>() {
        synced.push((
            "resourceslices",
            follow::<ResourceSlice>(typed, Arc::new(GraphFeed(graph.clone())), shutdown),
        ));
    }
    synced
}

struct PolicyFeed(Arc<PolicyIndex>);

impl Index<ClusterRole> for PolicyFeed {
    fn put(&self, object: &ClusterRole) {
        self.0.put_cluster_role(object);
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.remove_cluster_role(name);
    }
}

impl Index<ClusterRoleBinding> for PolicyFeed {
    fn put(&self, object: &ClusterRoleBinding) {
        self.0.put_cluster_role_binding(object);
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.remove_cluster_role_binding(name);
    }
}

impl Index<Role> for PolicyFeed {
    fn put(&self, object: &Role) {
        self.0.put_role(object);
    }
    fn remove(&self, namespace: &str, name: &str) {
        self.0.remove_role(namespace, name);
    }
}

impl Index<RoleBinding> for PolicyFeed {
    fn put(&self, object: &RoleBinding) {
        self.0.put_role_binding(object);
    }
    fn remove(&self, namespace: &str, name: &str) {
        self.0.remove_role_binding(namespace, name);
    }
}

struct GraphFeed(Arc<NodeGraph>);

impl Index<Pod> for GraphFeed {
    fn relevance(&self, object: &CachedObject) -> Relevance {
        pod_relevance(object.value()).unwrap_or(Relevance::Decode)
    }
    fn put(&self, object: &Pod) {
        self.0.put_pod(object);
    }
    fn remove(&self, namespace: &str, name: &str) {
        self.0.remove_pod(namespace, name);
    }
}

impl Index<PersistentVolume> for GraphFeed {
    fn put(&self, object: &PersistentVolume) {
        self.0.put_persistent_volume(object);
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.remove_persistent_volume(name);
    }
}

impl Index<VolumeAttachment> for GraphFeed {
    fn put(&self, object: &VolumeAttachment) {
        self.0.put_direct(Vertex::VolumeAttachment, "", &object.metadata.name, &object.spec.node_name);
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.remove_direct(Vertex::VolumeAttachment, "", name);
    }
}

impl Index<ResourceSlice> for GraphFeed {
    fn put(&self, object: &ResourceSlice) {
        let node = object.spec.node_name.as_deref().unwrap_or_default();
        self.0.put_direct(Vertex::ResourceSlice, "", &object.metadata.name, node);
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.remove_direct(Vertex::ResourceSlice, "", name);
    }
}

/// Nothing for a pod without a node; otherwise a fingerprint of its identity, its node and of what can
/// change while it runs and refers to other objects. `None` when the bytes cannot be read so.
fn pod_relevance(stored: &[u8]) -> Option<Relevance> {
    let number = |message: &'static Message, name: &str| message.field(name).map(|field| field.number);
    let raw = machinery::codec::protobuf::unwrap(stored).ok()?.raw;
    let mut hasher = DefaultHasher::new();
    let mut has_node = false;
    let parts: [(u32, &'static Message, &[&str]); 3] = [
        (number(Pod::SCHEMA, "metadata")?, ObjectMeta::SCHEMA, &["uid"]),
        (number(Pod::SCHEMA, "spec")?, PodSpec::SCHEMA, &["nodeName", "ephemeralContainers"]),
        (
            number(Pod::SCHEMA, "status")?,
            PodStatus::SCHEMA,
            &["resourceClaimStatuses", "extendedResourceClaimStatus"],
        ),
    ];
    let mut pod = Reader::new(raw);
    while let Some((field, wire)) = pod.tag().ok()? {
        let Some((_, schema, names)) = parts.iter().find(|(wanted, ..)| *wanted == field) else {
            pod.skip(wire).ok()?;
            continue;
        };
        let mut part = Reader::new(pod.expect_bytes(wire).ok()?);
        while let Some((field, wire)) = part.tag().ok()? {
            let Some(name) = names.iter().find(|name| number(schema, name) == Some(field)) else {
                part.skip(wire).ok()?;
                continue;
            };
            let content = part.expect_bytes(wire).ok()?;
            has_node |= *name == "nodeName" && !content.is_empty();
            (name, content).hash(&mut hasher);
        }
    }
    Some(if has_node { Relevance::Fingerprint(hasher.finish()) } else { Relevance::Nothing })
}

#[cfg(test)]
mod tests {
    use machinery::Resource;
    use serde_json::{Value, json};

    use super::*;

    fn relevance(pod: Value) -> Relevance {
        pod_relevance(&Pod::from_value(&pod).unwrap().to_protobuf_object()).unwrap()
    }

    #[test]
    fn pods_are_decoded_only_when_their_relations_may_have_changed() {
        let pod = |node: &str, more: Value| {
            let mut pod = json!({"metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": node}});
            for (key, value) in more.as_object().unwrap() {
                pod[key] = value.clone();
            }
            relevance(pod)
        };
        assert_eq!(pod("", json!({})), Relevance::Nothing);
        let bound = pod("n", json!({}));
        assert!(matches!(bound, Relevance::Fingerprint(_)));
        assert_eq!(pod("n", json!({"status": {"phase": "Running"}})), bound, "phases do not matter");
        assert_eq!(pod("n", json!({"metadata": {"name": "p", "uid": "u", "labels": {"a": "b"}}})), bound);
        assert_ne!(pod("n", json!({"metadata": {"name": "p", "uid": "other"}})), bound);
        assert_ne!(pod("m", json!({})), bound);
        let debugging = json!({"spec": {"nodeName": "n", "ephemeralContainers": [{"name": "d"}]}});
        assert_ne!(pod("n", debugging), bound);
        let claims = json!({"status": {"resourceClaimStatuses": [{"name": "c", "resourceClaimName": "x"}]}});
        assert_ne!(pod("n", claims), bound);
    }
}
