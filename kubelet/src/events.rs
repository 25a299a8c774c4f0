//! Events about pods and the node, as users read them in `kubectl describe`.
//!
//! Recording never waits and never fails: a record goes into a queue, and the recorder's task sends it when it can.

use std::borrow::Cow;
use std::sync::Arc;

use api_types::core::v1::{ObjectReference, Pod};
use jiff::Timestamp;
use kubelet_core::pod::{ContainerKind, container_field_path};
use tokio::sync::mpsc;

/// Records that wait for the API server; the oldest news of a node without one is worth nothing.
const QUEUE: usize = 1000;

/// Normal or warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Warning,
}

impl Kind {
    /// The `type` field.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Normal => "Normal",
            Kind::Warning => "Warning",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub about: ObjectReference,
    pub kind: Kind,
    pub reason: Cow<'static, str>,
    pub message: String,
    pub at: Timestamp,
}

/// Takes events; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Record>,
    node: Arc<str>,
}

impl Recorder {
    /// A recorder for this node, and the queue its records arrive in.
    pub fn new(node: &str) -> (Recorder, mpsc::Receiver<Record>) {
        let (queue, records) = mpsc::channel(QUEUE);
        (Recorder { queue, node: node.into() }, records)
    }

    /// An event about a pod.
    pub fn pod(
        &self,
        pod: &Pod,
        kind: Kind,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) {
        self.send(pod_reference(pod), kind, reason.into(), message.into());
    }

    /// An event about a container of a pod.
    pub fn container(
        &self,
        pod: &Pod,
        place: (ContainerKind, &str),
        kind: Kind,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) {
        let about =
            ObjectReference { field_path: container_field_path(place.0, place.1), ..pod_reference(pod) };
        self.send(about, kind, reason.into(), message.into());
    }

    /// An event about this node.
    pub fn node(&self, kind: Kind, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        let about = ObjectReference {
            kind: "Node".to_owned(),
            name: self.node.to_string(),
            // Upstream's kubelet gives the node's name as its uid, and describe looks for it.
            uid: self.node.to_string(),
            ..ObjectReference::default()
        };
        self.send(about, kind, reason.into(), message.into());
    }

    fn send(&self, about: ObjectReference, kind: Kind, reason: Cow<'static, str>, message: String) {
        tracing::info!(object = %about.name, namespace = %about.namespace, %reason, message, "event");
        let record = Record { about, kind, reason, message, at: Timestamp::now() };
        if let Err(error) = self.queue.try_send(record) {
            tracing::debug!(%error, "event dropped");
        }
    }
}

fn pod_reference(pod: &Pod) -> ObjectReference {
    let meta = &pod.metadata;
    // The API knows a static pod by its mirror, whose uid is the hash this kubelet gave it.
    let uid =
        meta.annotations.get(kubelet_core::pod::CONFIG_HASH).filter(|_| kubelet_core::pod::is_static(pod));
    ObjectReference {
        kind: "Pod".to_owned(),
        api_version: "v1".to_owned(),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: uid.unwrap_or(&meta.uid).clone(),
        resource_version: meta.resource_version.clone(),
        ..ObjectReference::default()
    }
}
