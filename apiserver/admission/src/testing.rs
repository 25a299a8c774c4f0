//! Requests and objects for the tests of plugins.

use std::sync::Arc;

use apiserver_auth::UserInfo;
use async_trait::async_trait;
use hashbrown::HashMap;
use machinery::meta::v1::{CreateOptions, DeleteOptions, UpdateOptions};
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupVersionResource, Resource};
use parking_lot::Mutex;
use serde_json::Value;

use crate::attributes::{Attributes, Notes, Operation, Options};
use crate::lookup::{Lookup, Objects};

/// Collects what plugins say besides yes and no.
#[derive(Default)]
pub struct Heard {
    /// Warnings.
    pub warnings: Mutex<Vec<String>>,
    /// Audit annotations.
    pub annotations: Mutex<Vec<(String, String)>>,
}

impl Notes for Heard {
    fn warn(&self, text: &str) {
        self.warnings.lock().push(text.to_owned());
    }

    fn annotate(&self, key: &str, value: &str) {
        self.annotations.lock().push((key.to_owned(), value.to_owned()));
    }
}

/// An object from JSON.
pub fn object<T: Resource>(value: Value) -> T {
    T::from_value(&value).expect("a test object decodes")
}

/// A request about objects of type `T` by a user `jane`, at a fixed time.
pub fn request<T: Resource>(operation: Operation, object: Option<T>, old_object: Option<T>) -> Attributes {
    let metadata = object.as_ref().or(old_object.as_ref()).map(|object| object.metadata().clone());
    let metadata = metadata.unwrap_or_default();
    Attributes {
        operation,
        kind: machinery::GroupVersionKind::new(T::GROUP, T::VERSION, T::KIND),
        resource: GroupVersionResource::new(T::GROUP, T::VERSION, T::PLURAL),
        subresource: String::new(),
        namespace: metadata.namespace,
        name: metadata.name,
        object: object.map(|object| Box::new(object) as Box<dyn Object>),
        old_object: old_object.map(|object| Box::new(object) as Box<dyn Object>),
        options: match operation {
            Operation::Create => Options::Create(CreateOptions::default()),
            Operation::Update => Options::Update(UpdateOptions::default()),
            Operation::Delete => Options::Delete(DeleteOptions::default()),
            Operation::Connect => Options::None,
        },
        dry_run: false,
        user: Arc::new(user("jane", &[])),
        now: "2026-01-01T00:00:00Z".parse().expect("a time"),
        notes: Arc::new(Heard::default()),
    }
}

/// A create of `object`.
pub fn create<T: Resource>(object: T) -> Attributes {
    request(Operation::Create, Some(object), None)
}

/// A user of these groups.
pub fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        username: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..UserInfo::default()
    }
}

type Key = (GroupVersionResource, String, String);

/// Objects of a test; those that are only live have not reached the cache yet.
#[derive(Default)]
pub struct Known {
    cached: Mutex<HashMap<Key, Box<dyn Object>>>,
    live: Mutex<HashMap<Key, Box<dyn Object>>>,
}

fn key<T: Resource>(object: &T) -> Key {
    let meta = object.metadata();
    let resource = GroupVersionResource::new(T::GROUP, T::VERSION, T::PLURAL);
    (resource, meta.namespace.clone(), meta.name.clone())
}

impl Known {
    /// Nothing yet.
    pub fn new() -> Known {
        Known::default()
    }

    /// An object that all know.
    pub fn with<T: Resource>(self, object: T) -> Known {
        self.live.lock().insert(key(&object), Box::new(object.clone()));
        self.only_cached(object)
    }

    /// An object that the cache has in this form, whatever the store has.
    pub fn only_cached<T: Resource>(self, object: T) -> Known {
        self.cached.lock().insert(key(&object), Box::new(object));
        self
    }

    /// An object that the store has in this form, whatever the cache has.
    pub fn only_live<T: Resource>(self, object: T) -> Known {
        self.live.lock().insert(key(&object), Box::new(object));
        self
    }

    /// For plugins.
    pub fn lookup(self) -> Lookup {
        Lookup::new(Arc::new(self))
    }
}

#[async_trait]
impl Objects for Known {
    async fn cached(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        let key = (resource.clone(), namespace.to_owned(), name.to_owned());
        Ok(self.cached.lock().get(&key).map(|object| object.clone_box()))
    }

    async fn live(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        let key = (resource.clone(), namespace.to_owned(), name.to_owned());
        Ok(self.live.lock().get(&key).map(|object| object.clone_box()))
    }

    async fn list(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
    ) -> Result<Vec<Box<dyn Object>>, StatusError> {
        let cached = self.cached.lock();
        let mut found: Vec<_> = cached
            .iter()
            .filter(|((of, space, _), _)| of == resource && (namespace.is_empty() || space == namespace))
            .collect();
        found.sort_by(|(left, _), (right, _)| (&left.1, &left.2).cmp(&(&right.1, &right.2)));
        Ok(found.into_iter().map(|(_, object)| object.clone_box()).collect())
    }
}
