//! Feeds the RBAC index and the Node authorizer's graph from the stores.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use api_types::core::v1::{PersistentVolume, Pod};
use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use api_types::resource::v1::ResourceSlice;
use api_types::storage::v1::VolumeAttachment;
use apiserver_auth::authz::node::{NodeGraph, Vertex};
use apiserver_auth::authz::rbac::PolicyIndex;
use component_base::Shutdown;

use super::follow::{Index, follow};
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
