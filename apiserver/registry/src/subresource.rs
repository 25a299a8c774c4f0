//! What can stand after the name of an object in a path.

use crate::{
    context::Context,
    erased::ErasedView,
    objects::{Address, Objects, Pending},
};
use api_types::autoscaling::v1::Scale;
use machinery::{object::Object, status::StatusError};

/// A subresource row.
#[derive(Clone, Copy)]
pub struct Subresource {
    /// Path segment: `status`, `scale`, `log` …
    pub name: &'static str,
    /// How it is served.
    pub kind: SubresourceKind,
}

/// The ways in which subresources are served.
#[derive(Clone, Copy)]
pub enum SubresourceKind {
    /// The whole object, of which only a part is writable: get, update, patch.
    View(&'static dyn ErasedView),
    /// `autoscaling/v1` Scale made from and written back into the object: get, update, patch.
    Scale(&'static Scaling),
    /// A posted object of another kind that acts on the object (binding, eviction): create only.
    Action(&'static dyn Action),
    /// `authentication.k8s.io/v1` TokenRequest, answered by the server's token issuer: create only.
    Token,
    /// A stream or proxied answer; wired by the server.
    Connect(Connect),
}

/// Subresources that are a conversation with a node or a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connect {
    /// Container log: get.
    PodLog,
    /// Command in a container: get and create, upgraded.
    PodExec,
    /// Streams of a running container: get and create, upgraded.
    PodAttach,
    /// TCP forwarding into a pod: get and create, upgraded.
    PodPortForward,
    /// HTTP proxy to a pod: every method.
    PodProxy,
    /// HTTP proxy to a service: every method.
    ServiceProxy,
    /// HTTP proxy to a node's kubelet: every method.
    NodeProxy,
}

/// Reads and writes the replica count of a kind.
pub struct Scaling {
    /// The scale of an object.
    pub read: fn(&dyn Object) -> Result<Scale, StatusError>,
    /// Puts the desired replicas of a scale into the object.
    pub write: fn(&mut dyn Object, &Scale) -> Result<(), StatusError>,
    /// JSON path of the replica count, for managed fields.
    pub replicas_path: &'static [&'static str],
}

/// An action on an object through a posted body of another kind.
pub trait Action: Send + Sync {
    /// Makes the typed body from protobuf bytes, with defaults applied.
    fn decode(&self, body: &[u8]) -> Result<Box<dyn Object>, StatusError>;

    /// Refuses a body that breaks a rule; runs before admission sees it as valid.
    fn validate(&self, context: &Context, name: &str, body: &dyn Object) -> Result<(), StatusError>;

    /// Does it. `at` addresses the object named in the path. The answer is the body of the response
    /// (a `Status` of success when `None`).
    fn run<'a>(
        &'static self,
        context: &'a Context,
        at: Address<'a>,
        body: Box<dyn Object>,
        objects: &'a dyn Objects,
    ) -> Pending<'a, Result<Option<Box<dyn Object>>, StatusError>>;
}
