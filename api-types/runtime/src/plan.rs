//! What a controller decided: a list of requests and notes, to be looked at by tests or run by the
//! [`Executor`](crate::executor::Executor).

use std::fmt;
use std::time::Duration;

use api_types::core::v1::ObjectReference;
use client::{DeleteParams, DynamicResource, Patch};
use machinery::Resource;
use machinery::object::Object;

/// Coordinates of a kind this program is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural name.
    pub plural: &'static str,
    /// Objects live in a namespace.
    pub namespaced: bool,
}

impl Kind {
    /// The coordinates of `T`.
    pub const fn of<T: Resource>() -> Kind {
        Kind {
            group: T::GROUP,
            version: T::VERSION,
            kind: T::KIND,
            plural: T::PLURAL,
            namespaced: T::NAMESPACED,
        }
    }

    /// The same for the dynamic client.
    pub fn to_dynamic(self) -> DynamicResource {
        DynamicResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
            namespaced: self.namespaced,
        }
    }
}

/// An object to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Empty outside namespaces.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID, so that another object of the same name is left alone.
    pub uid: String,
}

impl Target {
    /// An object as seen in a cache.
    pub fn of<T: Resource>(object: &T) -> Target {
        let metadata = object.metadata();
        Target {
            kind: Kind::of::<T>(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
        }
    }
}

/// One request to the API server.
pub enum Verb {
    /// Create the object.
    Create {
        /// Its kind.
        kind: Kind,
        /// What to create.
        object: Box<dyn Object>,
    },
    /// Replace the object or its status; a resource version in it is a precondition.
    Replace {
        /// Its kind.
        kind: Kind,
        /// "", "status" …
        subresource: &'static str,
        /// New state.
        object: Box<dyn Object>,
    },
    /// Change the object.
    Patch {
        /// What to change.
        target: Target,
        /// "", "status" …
        subresource: &'static str,
        /// How. Put `metadata.uid` or `metadata.resourceVersion` into it as precondition.
        patch: Patch,
    },
    /// Delete the object; its UID is a precondition.
    Delete {
        /// What to delete.
        target: Target,
        /// How.
        params: DeleteParams,
    },
    /// Create something below the object (`eviction`).
    Post {
        /// Below what.
        target: Target,
        /// Name of the subresource.
        subresource: &'static str,
        /// What to create.
        object: Box<dyn Object>,
    },
}

impl fmt::Debug for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = |object: &dyn Object| {
            let kind = object.kind();
            let value = machinery::codec::json::protobuf_to_value(
                object.schema(),
                &object.encode(),
                Some((&kind.api_version(), &kind.kind)),
            );
            value.to_string()
        };
        match self {
            Verb::Create { object, .. } => write!(formatter, "create {}", body(object.as_ref())),
            Verb::Replace { subresource, object, .. } => {
                write!(formatter, "replace {subresource} {}", body(object.as_ref()))
            }
            Verb::Patch { target, subresource, patch } => {
                write!(
                    formatter,
                    "patch {} {}/{} {subresource} {}",
                    target.kind.kind,
                    target.namespace,
                    target.name,
                    patch.value()
                )
            }
            Verb::Delete { target, params } => {
                write!(
                    formatter,
                    "delete {} {}/{} {params:?}",
                    target.kind.kind, target.namespace, target.name
                )
            }
            Verb::Post { target, subresource, object } => {
                write!(
                    formatter,
                    "post {}/{} {subresource} {}",
                    target.namespace,
                    target.name,
                    body(object.as_ref())
                )
            }
        }
    }
}

/// What to tell the user when an action went well or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The object it is about.
    pub regarding: ObjectReference,
    /// `Normal` or `Warning`.
    pub kind: &'static str,
    /// Upstream's reason.
    pub reason: String,
    /// Upstream's message; for an action's note the name of the object or the error is put behind it.
    pub message: String,
}

impl Note {
    /// A note of type `Normal`.
    pub fn normal(regarding: ObjectReference, reason: &str, message: impl Into<String>) -> Note {
        Note { regarding, kind: "Normal", reason: reason.to_owned(), message: message.into() }
    }

    /// A note of type `Warning`.
    pub fn warning(regarding: ObjectReference, reason: &str, message: impl Into<String>) -> Note {
        Note { regarding, kind: "Warning", reason: reason.to_owned(), message: message.into() }
    }
}

/// What must be true on the server, where a cache must not be trusted: something is given to a new owner,
/// or destroyed because something else is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The object exists and is not being deleted.
    Alive(Target),
    /// The object does not exist, or only another of its name.
    Gone(Target),
}

/// A request with what to say about it.
#[derive(Debug)]
pub struct Action {
    /// The request.
    pub verb: Verb,
    /// Said when it went well; the object's name is appended.
    pub on_success: Option<Note>,
    /// The name is not appended.
    pub success_as_it_stands: bool,
    /// Said when it failed; the error is appended.
    pub on_failure: Option<Note>,
    /// Creating what exists already counts as done: the cache was behind.
    pub existing_is_done: bool,
    /// Asked of the server itself before anything is done.
    pub guard: Option<Guard>,
}

impl Action {
    fn new(verb: Verb) -> Action {
        Action {
            verb,
            on_success: None,
            success_as_it_stands: false,
            on_failure: None,
            existing_is_done: false,
            guard: None,
        }
    }

    /// Create `object`.
    pub fn create<T: Resource>(object: T) -> Action {
        Action::new(Verb::Create { kind: Kind::of::<T>(), object: Box::new(object) })
    }

    /// Replace `object`; its resource version is the precondition.
    pub fn replace<T: Resource>(object: T) -> Action {
        Action::new(Verb::Replace { kind: Kind::of::<T>(), subresource: "", object: Box::new(object) })
    }

    /// Replace the status of `object`; its resource version is the precondition.
    pub fn replace_status<T: Resource>(object: T) -> Action {
        Action::new(Verb::Replace { kind: Kind::of::<T>(), subresource: "status", object: Box::new(object) })
    }

    /// Change `object`.
    pub fn patch<T: Resource>(object: &T, patch: Patch) -> Action {
        Action::new(Verb::Patch { target: Target::of(object), subresource: "", patch })
    }

    /// Change the status of `object`.
    pub fn patch_status<T: Resource>(object: &T, patch: Patch) -> Action {
        Action::new(Verb::Patch { target: Target::of(object), subresource: "status", patch })
    }

    /// Delete `object`.
    pub fn delete<T: Resource>(object: &T) -> Action {
        Action::delete_with(object, DeleteParams::default())
    }

    /// Delete `object` in a certain way.
    pub fn delete_with<T: Resource>(object: &T, params: DeleteParams) -> Action {
        Action::new(Verb::Delete { target: Target::of(object), params })
    }

    /// Create `body` below `object`.
    pub fn post<T: Resource, B: Resource>(object: &T, subresource: &'static str, body: B) -> Action {
        Action::new(Verb::Post { target: Target::of(object), subresource, object: Box::new(body) })
    }

    /// Says `note` and the object's name when it went well.
    pub fn on_success(mut self, note: Note) -> Action {
        self.on_success = Some(note);
        self
    }

    /// Says `note` as it stands when it went well.
    pub fn announcing(mut self, note: Note) -> Action {
        self.on_success = Some(note);
        self.success_as_it_stands = true;
        self
    }

    /// Says `note` and the error when it failed.
    pub fn on_failure(mut self, note: Note) -> Action {
        self.on_failure = Some(note);
        self
    }

    /// Takes "already exists" for success.
    pub fn existing_is_done(mut self) -> Action {
        self.existing_is_done = true;
        self
    }

    /// Asks the server first whether `owner` is still there and not being deleted.
    pub fn only_while_alive<T: Resource>(mut self, owner: &T) -> Action {
        self.guard = Some(Guard::Alive(Target::of(owner)));
        self
    }

    /// Asks the server first whether `target` is really not there; an empty UID stands for any.
    pub fn only_if_gone(mut self, target: Target) -> Action {
        self.guard = Some(Guard::Gone(target));
        self
    }

    /// The object to be created, when it is a `T`.
    pub fn created<T: Resource>(&self) -> Option<&T> {
        match &self.verb {
            Verb::Create { object, .. } => object.downcast_ref(),
            _ => None,
        }
    }

    /// The object to be put in the place of another, when it is a `T`, with the subresource.
    pub fn replaced<T: Resource>(&self) -> Option<(&'static str, &T)> {
        match &self.verb {
            Verb::Replace { object, subresource, .. } => Some((subresource, object.downcast_ref()?)),
            _ => None,
        }
    }

    /// What is to be deleted.
    pub fn deleted(&self) -> Option<&Target> {
        match &self.verb {
            Verb::Delete { target, .. } => Some(target),
            _ => None,
        }
    }

    /// What is to be changed, and how.
    pub fn patched(&self) -> Option<(&Target, &'static str, &Patch)> {
        match &self.verb {
            Verb::Patch { target, subresource, patch } => Some((target, subresource, patch)),
            _ => None,
        }
    }
}

/// A decision: stages of actions, notes, and when to look again.
#[derive(Debug, Default)]
pub struct Plan {
    /// Actions of a stage run together; a stage starts when all before it went well.
    pub stages: Vec<Vec<Action>>,
    /// Said at once.
    pub notes: Vec<Note>,
    /// Look again after this long even if nothing happens.
    pub requeue_after: Option<Duration>,
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Plan {
        Plan::default()
    }

    /// One stage.
    pub fn of(actions: Vec<Action>) -> Plan {
        Plan::nothing().then(actions)
    }

    /// Adds a stage; an empty one is left out.
    pub fn then(mut self, actions: Vec<Action>) -> Plan {
        if !actions.is_empty() {
            self.stages.push(actions);
        }
        self
    }

    /// Adds a note.
    pub fn note(mut self, note: Note) -> Plan {
        self.notes.push(note);
        self
    }

    /// Looks again after `delay`, or earlier if that was asked for already.
    pub fn requeue_after(mut self, delay: Duration) -> Plan {
        self.requeue_after = Some(self.requeue_after.map_or(delay, |earlier| earlier.min(delay)));
        self
    }

    /// Whether nothing is to be requested or said.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.notes.is_empty()
    }

    /// All actions in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flatten()
    }

    /// The objects to be created that are a `T`.
    pub fn creates<T: Resource>(&self) -> Vec<&T> {
        self.actions().filter_map(Action::created).collect()
    }

    /// The names of the objects of kind `T` to be deleted.
    pub fn deletes<T: Resource>(&self) -> Vec<&str> {
        let targets = self.actions().filter_map(Action::deleted);
        targets.filter(|target| target.kind == Kind::of::<T>()).map(|target| target.name.as_str()).collect()
    }
}

/// What became of a plan's actions, for [`Controller::conclude`](crate::controller::Controller::conclude).
#[derive(Debug, Default)]
pub struct Outcome {
    /// Actions that went well.
    pub done: usize,
    /// Actions not started because one before them failed.
    pub skipped: usize,
    /// Errors of those that failed, in order.
    pub errors: Vec<String>,
    /// Number of the stage the errors are from, counted from 0.
    pub failed_stage: Option<usize>,
}

/// A reference to an object as upstream's events carry it.
pub fn reference_to<T: Resource>(object: &T) -> ObjectReference {
    let metadata = object.metadata();
    ObjectReference {
        kind: T::KIND.to_owned(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        api_version: T::api_version(),
        resource_version: metadata.resource_version.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn plans_can_be_looked_into() {
        let mut object = ConfigMap::default();
        object.metadata_mut().name = "a".to_owned();
        let plan = Plan::of(vec![Action::create(object.clone()), Action::delete(&object)])
            .then(vec![])
            .then(vec![Action::replace_status(object.clone())])
            .requeue_after(Duration::from_secs(5))
            .requeue_after(Duration::from_secs(9));
        assert_eq!(plan.stages.len(), 2);
        assert_eq!(plan.creates::<ConfigMap>(), [&object]);
        assert_eq!(plan.deletes::<ConfigMap>(), ["a"]);
        assert_eq!(plan.requeue_after, Some(Duration::from_secs(5)));
        assert_eq!(
            plan.actions().filter_map(Action::replaced::<ConfigMap>).next(),
            Some(("status", &object))
        );
        assert!(
            format!("{plan:?}").contains("create {\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"")
                || format!("{plan:?}").contains("create {\"kind\":\"ConfigMap\"")
        );
        assert!(Plan::nothing().is_empty());
    }
}
