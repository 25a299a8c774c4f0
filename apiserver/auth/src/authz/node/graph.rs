//! Which objects belong to which node, through the pods bound to it.
//!
//! ```text
//! secret ──► pod ──► node        volume attachment, resource slice ──► node
//!    └─► volume ──► claim ──► pod
//! ```
//!
//! What a pod refers to is counted per node, so a question is one lookup; only volumes, and secrets
//! used by volumes, take a second step through their claim.

use api_types::core::v1::{PersistentVolume, Pod};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;

use super::pod_references;

/// The kinds of objects a kubelet can be related to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vertex {
    /// `configmaps`
    ConfigMap,
    /// `secrets`
    Secret,
    /// `serviceaccounts`
    ServiceAccount,
    /// `pods`
    Pod,
    /// `persistentvolumeclaims`
    PersistentVolumeClaim,
    /// `persistentvolumes`
    PersistentVolume,
    /// `resourceclaims`
    ResourceClaim,
    /// `resourceslices`
    ResourceSlice,
    /// `volumeattachments`
    VolumeAttachment,
    /// `podcertificaterequests`
    PodCertificateRequest,
}

type Key = (Vertex, String, String);
type NamespacedName = (String, String);

#[derive(Debug)]
struct BoundPod {
    node: String,
    references: HashSet<Key>,
}

#[derive(Debug, Default)]
struct Volume {
    claim: NamespacedName,
    secrets: Vec<NamespacedName>,
}

#[derive(Debug, Default)]
struct Relations {
    pods: HashMap<NamespacedName, BoundPod>,
    /// How many pods of a node refer to an object. Direct relations count as one pod.
    nodes_of: HashMap<Key, HashMap<String, u32>>,
    volumes: HashMap<String, Volume>,
    volumes_of_secret: HashMap<NamespacedName, HashSet<String>>,
    /// Objects that name their node themselves.
    direct: HashMap<Key, String>,
}

/// The relations of all nodes, kept up to date by whoever watches pods, volumes and the like.
#[derive(Debug, Default)]
pub struct NodeGraph {
    relations: RwLock<Relations>,
}

impl NodeGraph {
    /// Whether the object is related to the node.
    pub fn is_related(&self, node: &str, vertex: Vertex, namespace: &str, name: &str) -> bool {
        let relations = self.relations.read();
        match vertex {
            Vertex::PersistentVolume => relations.volume_is_on(name, node),
            Vertex::Secret => {
                relations.counted(vertex, namespace, name, node)
                    || relations
                        .volumes_of_secret
                        .get(&(namespace.to_string(), name.to_string()))
                        .is_some_and(|volumes| volumes.iter().any(|v| relations.volume_is_on(v, node)))
            }
            _ => relations.counted(vertex, namespace, name, node),
        }
    }

    /// Adds or replaces a pod. One that is not bound to a node has no relations.
    pub fn put_pod(&self, pod: &Pod) {
        let meta = &pod.metadata;
        let mut relations = self.relations.write();
        relations.remove_pod(&meta.namespace, &meta.name);
        let node = pod.spec.node_name.clone();
        if node.is_empty() {
            return;
        }
        let mut references: HashSet<Key> = HashSet::new();
        references.insert((Vertex::Pod, meta.namespace.clone(), meta.name.clone()));
        // A mirror pod is made by the kubelet itself, which could name any secret in it.
        if !meta.annotations.contains_key(pod_references::MIRROR_POD_ANNOTATION) {
            for (vertex, name) in pod_references::of(pod) {
                references.insert((vertex, meta.namespace.clone(), name));
            }
        }
        for key in &references {
            relations.count(key, &node);
        }
        relations.pods.insert((meta.namespace.clone(), meta.name.clone()), BoundPod { node, references });
    }

    /// Removes a pod.
    pub fn remove_pod(&self, namespace: &str, name: &str) {
        self.relations.write().remove_pod(namespace, name);
    }

    /// Adds or replaces a volume. One without a claim has no relations.
    pub fn put_persistent_volume(&self, volume: &PersistentVolume) {
        let name = volume.metadata.name.clone();
        let mut relations = self.relations.write();
        relations.remove_volume(&name);
        let Some(claim) = &volume.spec.claim_ref else { return };
        let secrets = pod_references::kubelet_visible_secrets_of_volume(volume);
        for secret in &secrets {
            relations.volumes_of_secret.entry(secret.clone()).or_default().insert(name.clone());
        }
        let claim = (claim.namespace.clone(), claim.name.clone());
        relations.volumes.insert(name, Volume { claim, secrets });
    }

    /// Removes a volume.
    pub fn remove_persistent_volume(&self, name: &str) {
        self.relations.write().remove_volume(name);
    }

    /// Adds or replaces an object that names its node: a volume attachment, resource slice or pod
    /// certificate request. An empty node removes the relation.
    pub fn put_direct(&self, vertex: Vertex, namespace: &str, name: &str, node: &str) {
        let key = (vertex, namespace.to_string(), name.to_string());
        let mut relations = self.relations.write();
        relations.remove_direct(&key);
        if !node.is_empty() {
            relations.count(&key, node);
            relations.direct.insert(key, node.to_string());
        }
    }

    /// Removes an object that named its node.
    pub fn remove_direct(&self, vertex: Vertex, namespace: &str, name: &str) {
        self.relations.write().remove_direct(&(vertex, namespace.to_string(), name.to_string()));
    }

    /// How many pods, volumes and direct relations are known.
    pub fn len(&self) -> usize {
        let relations = self.relations.read();
        relations.pods.len() + relations.volumes.len() + relations.direct.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Relations {
    fn counted(&self, vertex: Vertex, namespace: &str, name: &str, node: &str) -> bool {
        self.nodes_of
            .get(&(vertex, namespace.to_string(), name.to_string()))
            .is_some_and(|nodes| nodes.contains_key(node))
    }

    fn volume_is_on(&self, volume: &str, node: &str) -> bool {
        self.volumes.get(volume).is_some_and(|volume| {
            let (namespace, name) = &volume.claim;
            self.counted(Vertex::PersistentVolumeClaim, namespace, name, node)
        })
    }

    fn count(&mut self, key: &Key, node: &str) {
        let nodes = self.nodes_of.entry(key.clone()).or_default();
        *nodes.entry(node.to_string()).or_insert(0) += 1;
    }

    fn discount(&mut self, key: &Key, node: &str) {
        let Some(nodes) = self.nodes_of.get_mut(key) else { return };
        if let Some(pods) = nodes.get_mut(node) {
            *pods -= 1;
            if *pods == 0 {
                nodes.remove(node);
            }
        }
        if nodes.is_empty() {
            self.nodes_of.remove(key);
        }
    }

    fn remove_pod(&mut self, namespace: &str, name: &str) {
        let Some(pod) = self.pods.remove(&(namespace.to_string(), name.to_string())) else { return };
        for key in &pod.references {
            self.discount(key, &pod.node);
        }
    }

    fn remove_volume(&mut self, name: &str) {
        let Some(volume) = self.volumes.remove(name) else { return };
        for secret in volume.secrets {
            if let Some(volumes) = self.volumes_of_secret.get_mut(&secret) {
                volumes.remove(name);
                if volumes.is_empty() {
                    self.volumes_of_secret.remove(&secret);
                }
            }
        }
    }

    fn remove_direct(&mut self, key: &Key) {
        if let Some(node) = self.direct.remove(key) {
            self.discount(key, &node);
        }
    }
}
