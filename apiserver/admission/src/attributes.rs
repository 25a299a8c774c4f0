//! What a plugin may know about the request it judges.

use std::sync::Arc;

use apiserver_auth::UserInfo;
use machinery::meta::v1::{CreateOptions, DeleteOptions, UpdateOptions};
use machinery::object::Object;
use machinery::{GroupVersionKind, GroupVersionResource, Resource};

/// What is being done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object, or a posted action such as a binding.
    Create,
    /// A changed object, by update or patch.
    Update,
    /// An object about to go.
    Delete,
    /// A conversation with a pod, a node or a service.
    Connect,
}

impl Operation {
    /// The word that webhooks and messages use: `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// The options of the request, by operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// Of a create.
    Create(CreateOptions),
    /// Of an update; a patch is judged as an update with the same options.
    Update(UpdateOptions),
    /// Of a delete.
    Delete(DeleteOptions),
    /// Of a conversation: what it asks for, as JSON of the request's kind with `kind` and `apiVersion`. Webhooks are
    /// shown it as the object.
    Connect(serde_json::Value),
    /// None are known.
    None,
}

/// Where plugins leave warnings for the client and annotations for the audit log.
pub trait Notes: Send + Sync {
    /// A text for a `Warning` header.
    fn warn(&self, text: &str);
    /// An audit annotation; keys are qualified names.
    fn annotate(&self, key: &str, value: &str);
}

/// A request as plugins see it. Objects are of the stored version.
pub struct Attributes {
    /// What is being done.
    pub operation: Operation,
    /// Kind of the request's object, in the version of the request.
    pub kind: GroupVersionKind,
    /// Resource in the path.
    pub resource: GroupVersionResource,
    /// Subresource in the path; empty for the resource itself.
    pub subresource: String,
    /// Namespace; empty for cluster-scoped resources. For namespaces their own name.
    pub namespace: String,
    /// Name; empty while a create has none yet.
    pub name: String,
    /// The object as it would be stored; `None` for deletes. Mutating plugins change it in place.
    pub object: Option<Box<dyn Object>>,
    /// The object as it is stored; `None` for creates.
    pub old_object: Option<Box<dyn Object>>,
    /// Options of the request.
    pub options: Options,
    /// True when nothing will be written.
    pub dry_run: bool,
    /// Who asks.
    pub user: Arc<UserInfo>,
    /// When the request was received.
    pub now: jiff::Timestamp,
    /// Warnings and audit annotations.
    pub notes: Arc<dyn Notes>,
}

impl Attributes {
    /// Whether the path names this resource (of any version) and subresource.
    pub fn is_about(&self, group: &str, resource: &str, subresource: &str) -> bool {
        self.resource.group == group && self.resource.resource == resource && self.subresource == subresource
    }

    /// The object, if it is a `T`.
    pub fn object_as<T: Resource>(&self) -> Option<&T> {
        self.object.as_deref()?.downcast_ref()
    }

    /// The object, if it is a `T`, to change.
    pub fn object_as_mut<T: Resource>(&mut self) -> Option<&mut T> {
        self.object.as_deref_mut()?.downcast_mut()
    }

    /// The object as it is stored, if it is a `T`.
    pub fn old_object_as<T: Resource>(&self) -> Option<&T> {
        self.old_object.as_deref()?.downcast_ref()
    }
}
