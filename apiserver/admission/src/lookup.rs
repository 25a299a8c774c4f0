//! How plugins see objects other than the one they judge.

use std::sync::Arc;

use async_trait::async_trait;
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupVersionResource, Resource};

/// Where objects are found, whatever their kind. The server implements it over its stores.
#[async_trait]
pub trait Objects: Send + Sync {
    /// As the watch cache has it, which may be a moment behind; `None` when it has not.
    async fn cached(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError>;

    /// As the store has it now.
    async fn live(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError>;

    /// All objects of a namespace, or of all when it is empty, as the watch cache has them, by name.
    async fn list(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
    ) -> Result<Vec<Box<dyn Object>>, StatusError>;
}

/// Objects by type.
#[derive(Clone)]
pub struct Lookup {
    objects: Arc<dyn Objects>,
}

impl Lookup {
    /// Looks in `objects`.
    pub fn new(objects: Arc<dyn Objects>) -> Lookup {
        Lookup { objects }
    }

    /// As the watch cache has it, which may be a moment behind; `None` when it has not.
    pub async fn cached<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, StatusError> {
        self.objects.cached(&resource::<T>(), namespace, name).await?.map(typed).transpose()
    }

    /// As the store has it now.
    pub async fn live<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, StatusError> {
        self.objects.live(&resource::<T>(), namespace, name).await?.map(typed).transpose()
    }

    /// From the watch cache, or from the store when the cache has not heard of it.
    pub async fn find<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, StatusError> {
        match self.cached(namespace, name).await? {
            Some(found) => Ok(Some(found)),
            None => self.live(namespace, name).await,
        }
    }

    /// All objects of a namespace, or of all when it is empty, as the watch cache has them, by name.
    pub async fn list<T: Resource>(&self, namespace: &str) -> Result<Vec<T>, StatusError> {
        self.objects.list(&resource::<T>(), namespace).await?.into_iter().map(typed).collect()
    }
}

fn resource<T: Resource>() -> GroupVersionResource {
    GroupVersionResource::new(T::GROUP, T::VERSION, T::PLURAL)
}

fn typed<T: Resource>(object: Box<dyn Object>) -> Result<T, StatusError> {
    let kind = object.kind();
    match object.into_any().downcast::<T>() {
        Ok(typed) => Ok(*typed),
        Err(_) => Err(StatusError::internal_error(format!("a stored {kind} is not a {}", T::KIND))),
    }
}
