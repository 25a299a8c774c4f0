//! Who owns whom, from the metadata of all objects (`pkg/controller/garbagecollector/graph_builder.go`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use client::DynamicResource;
use machinery::meta::v1::{ObjectMeta, OwnerReference};

/// Finalizer of an object that goes after what it owns.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an object that leaves behind what it owns.
pub(super) const ORPHAN: &str = "orphan";

/// Which object a node stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    /// Its resource; none while only an owner reference told of it.
    pub resource: Option<Arc<DynamicResource>>,
    /// `apiVersion` and kind as an owner reference has them.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// An object, or one that only references told of.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Which object.
    pub identity: Identity,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// UIDs of what it owns.
    pub dependents: HashSet<String>,
    /// A cache has shown it.
    pub seen: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// It waits for what it owns.
    pub foreground: bool,
}

/// Nodes to look at after a change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Dirty {
    /// Objects that may have to go.
    pub delete: Vec<String>,
    /// Objects that leave behind what they own.
    pub orphan: Vec<String>,
}

/// All nodes by UID.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
}

impl Graph {
    /// The node of an object.
    pub fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// What an object owns.
    pub fn dependents(&self, uid: &str) -> Vec<&Node> {
        let uids = self.nodes.get(uid).into_iter().flat_map(|node| &node.dependents);
        uids.filter_map(|uid| self.nodes.get(uid)).collect()
    }

    /// Takes in an object as a cache shows it.
    pub fn observe(&mut self, resource: &Arc<DynamicResource>, meta: &ObjectMeta) -> Dirty {
        let mut dirty = Dirty::default();
        let deleting = meta.deletion_timestamp.is_some();
        let has = |finalizer: &str| deleting && meta.finalizers.iter().any(|name| name == finalizer);
        let identity = Identity {
            resource: Some(resource.clone()),
            api_version: resource.api_version(),
            kind: resource.kind.clone(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
        };
        let known = self.nodes.remove(&meta.uid);
        let (old_owners, was_foreground, dependents, was_seen) = match known {
            Some(node) => (node.owners, node.foreground, node.dependents, node.seen),
            None => (Vec::new(), false, HashSet::new(), false),
        };
        let node = Node {
            identity,
            owners: meta.owner_references.clone(),
            dependents,
            seen: true,
            deleting,
            foreground: has(FOREGROUND),
        };
        let new_owners = node.owners.clone();
        let foreground = node.foreground;
        self.nodes.insert(meta.uid.clone(), node);
        for owner in old_owners.iter().filter(|old| !new_owners.iter().any(|new| new.uid == old.uid)) {
            self.unlink(&owner.uid, &meta.uid, &mut dirty);
        }
        for owner in &new_owners {
            self.link(owner, meta, &mut dirty);
        }
        // What no longer blocks may let its owner go.
        for owner in old_owners.iter().filter(|old| old.block_owner_deletion == Some(true)) {
            let still =
                new_owners.iter().any(|new| new.uid == owner.uid && new.block_owner_deletion == Some(true));
            if !still && self.nodes.get(&owner.uid).is_some_and(|owner| owner.foreground) {
                dirty.delete.push(owner.uid.clone());
            }
        }
        if has(ORPHAN) {
            dirty.orphan.push(meta.uid.clone());
        }
        if foreground && !was_foreground {
            dirty.delete.extend(self.dependents(&meta.uid).iter().map(|node| node.identity.uid.clone()));
        }
        if foreground || !meta.owner_references.is_empty() && (!was_seen || old_owners != new_owners) {
            dirty.delete.push(meta.uid.clone());
        }
        dirty
    }

    fn link(&mut self, owner: &OwnerReference, of: &ObjectMeta, dirty: &mut Dirty) {
        let node = self.nodes.entry(owner.uid.clone()).or_insert_with(|| {
            // Not seen yet, or gone already: somebody has to ask the server.
            dirty.delete.push(of.uid.clone());
            Node {
                identity: Identity {
                    resource: None,
                    api_version: owner.api_version.clone(),
                    kind: owner.kind.clone(),
                    namespace: of.namespace.clone(),
                    name: owner.name.clone(),
                    uid: owner.uid.clone(),
                },
                owners: Vec::new(),
                dependents: HashSet::new(),
                seen: false,
                deleting: false,
                foreground: false,
            }
        });
        node.dependents.insert(of.uid.clone());
    }

    fn unlink(&mut self, owner: &str, dependent: &str, dirty: &mut Dirty) {
        let Some(node) = self.nodes.get_mut(owner) else { return };
        node.dependents.remove(dependent);
        if node.foreground {
            dirty.delete.push(owner.to_owned());
        }
        if !node.seen && node.dependents.is_empty() {
            self.nodes.remove(owner);
        }
    }

    /// The object is gone.
    pub fn remove(&mut self, uid: &str) -> Dirty {
        let mut dirty = Dirty::default();
        let Some(node) = self.nodes.remove(uid) else { return dirty };
        for owner in &node.owners {
            self.unlink(&owner.uid, uid, &mut dirty);
        }
        dirty.delete.extend(node.dependents.iter().cloned());
        dirty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource() -> Arc<DynamicResource> {
        Arc::new(DynamicResource {
            group: "apps".into(),
            version: "v1".into(),
            kind: "ReplicaSet".into(),
            plural: "replicasets".into(),
            namespaced: true,
        })
    }

    fn meta(uid: &str, owners: &[&str], finalizer: &str) -> ObjectMeta {
        let owner = |uid: &&str| OwnerReference {
            uid: (*uid).into(),
            name: (*uid).into(),
            kind: "ReplicaSet".into(),
            api_version: "apps/v1".into(),
            block_owner_deletion: Some(true),
            ..OwnerReference::default()
        };
        let mut meta = ObjectMeta { uid: uid.into(), name: uid.into(), ..ObjectMeta::default() };
        meta.owner_references = owners.iter().map(owner).collect();
        if !finalizer.is_empty() {
            meta.finalizers.push(finalizer.into());
            meta.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
        }
        meta
    }

    fn sorted(mut uids: Vec<String>) -> Vec<String> {
        uids.sort();
        uids.dedup();
        uids
    }

    #[test]
    fn dependents_are_looked_at_when_their_owner_goes() {
        let mut graph = Graph::default();
        graph.observe(&resource(), &meta("owner", &[], ""));
        assert_eq!(sorted(graph.observe(&resource(), &meta("a", &["owner"], "")).delete), ["a"]);
        graph.observe(&resource(), &meta("b", &["owner"], ""));
        assert_eq!(graph.observe(&resource(), &meta("b", &["owner"], "")), Dirty::default(), "nothing new");
        assert_eq!(sorted(graph.remove("owner").delete), ["a", "b"]);
    }

    #[test]
    fn an_owner_that_waits_is_looked_at_when_a_dependent_goes() {
        let mut graph = Graph::default();
        graph.observe(&resource(), &meta("owner", &[], ""));
        graph.observe(&resource(), &meta("a", &["owner"], ""));
        assert_eq!(
            sorted(graph.observe(&resource(), &meta("owner", &[], FOREGROUND)).delete),
            ["a", "owner"]
        );
        assert_eq!(graph.remove("a").delete, ["owner"]);
    }

    #[test]
    fn what_is_left_behind_is_named() {
        let mut graph = Graph::default();
        graph.observe(&resource(), &meta("a", &["owner"], ""));
        assert!(!graph.get("owner").unwrap().seen);
        assert_eq!(graph.observe(&resource(), &meta("owner", &[], ORPHAN)).orphan, ["owner"]);
        graph.observe(&resource(), &meta("a", &[], ""));
        assert!(graph.dependents("owner").is_empty());
    }

    #[test]
    fn owners_known_only_by_reference_are_forgotten_with_it() {
        let mut graph = Graph::default();
        graph.observe(&resource(), &meta("a", &["gone"], ""));
        graph.remove("a");
        assert!(graph.get("gone").is_none());
    }
}
