//! Controllers of nodes: their address ranges, their health, and what happens to pods on bad ones.

pub(crate) mod ipam;
pub(crate) mod lifecycle;
pub(crate) mod taint_eviction;
pub(crate) mod ttl;

use api_types::core::v1::{Node, ObjectReference};
use runtime::Note;

/// A reference as upstream's events about nodes carry it.
fn about(node: &Node) -> ObjectReference {
    ObjectReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: node.metadata.name.clone(),
        uid: node.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// The note about a node whose status changed; the status is the reason.
fn status_note(node: &Node, status: &str) -> Note {
    Note::normal(about(node), status, format!("Node {} status is now: {status}", node.metadata.name))
}
