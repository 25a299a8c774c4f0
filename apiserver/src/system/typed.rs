//! Typed access to the stores, for the loops and handlers that live inside the server.
//!
//! Writes pass the rules of their resource, not admission: they are the server's own.

use std::sync::Arc;

use apiserver_admission::Notes;
use apiserver_registry::{Context, Entry, SubresourceKind};
use apiserver_storage::Freshness;
use async_trait::async_trait;
use machinery::Resource;
use machinery::meta::v1::DeleteOptions;
use machinery::object::Object;
use machinery::status::StatusError;

use crate::store::{Change, DeleteValidation, NoValidation, Store, Stores, UpdateRules, WriteContext};

/// Nobody listens: what a loop is warned of has no client to go to.
pub struct Silent;

impl Notes for Silent {
    fn warn(&self, text: &str) {
        tracing::debug!(text, "warning for the server itself");
    }

    fn annotate(&self, _: &str, _: &str) {}
}

/// The stores by type.
#[derive(Clone)]
pub struct Typed {
    stores: Arc<dyn Stores>,
}

/// The row of the table that serves a kind.
pub fn entry_of<T: Resource>() -> Result<&'static Entry, StatusError> {
    apiserver_registry::find(T::GROUP, T::VERSION, T::PLURAL).ok_or_else(|| {
        StatusError::internal_error(format!("resource {}.{} is not served", T::PLURAL, T::GROUP))
    })
}

impl Typed {
    /// Over all stores.
    pub fn new(stores: Arc<dyn Stores>) -> Typed {
        Typed { stores }
    }

    /// Whether objects of this kind are stored.
    pub fn serves<T: Resource>(&self) -> bool {
        self.store::<T>().is_ok()
    }

    /// The store of a kind.
    pub fn store<T: Resource>(&self) -> Result<Arc<Store>, StatusError> {
        let entry = entry_of::<T>()?;
        self.stores.store_of(entry).ok_or_else(|| {
            StatusError::internal_error(format!("resource {} is not stored", entry.group_resource()))
        })
    }

    /// An object as the watch cache has it, or the store when the cache has not; `None` when neither.
    pub async fn get<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, StatusError> {
        let store = self.store::<T>()?;
        match store.get(namespace, name, Freshness::Any).await {
            Ok(cached) => Ok(Some(downcast(store.decode_cached(&cached)?.object)?)),
            Err(_) => self.get_live(namespace, name).await,
        }
    }

    /// An object as the store has it.
    pub async fn get_live<T: Resource>(&self, namespace: &str, name: &str) -> Result<Option<T>, StatusError> {
        let found = self.store::<T>()?.get_live(namespace, name).await?;
        found.map(|stored| downcast(stored.object)).transpose()
    }

    /// All objects of a namespace, or of all when it is empty.
    pub async fn list<T: Resource>(&self, namespace: &str) -> Result<Vec<T>, StatusError> {
        let store = self.store::<T>()?;
        let snapshot = store
            .cacher()
            .snapshot(Freshness::Consistent)
            .await
            .map_err(|error| crate::store::status_of(&error, store.resource(), ""))?;
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        snapshot
            .objects
            .iter_from(&prefix)
            .take_while(|object| object.path().starts_with(&prefix))
            .map(|object| downcast(store.decode_cached(object)?.object))
            .collect()
    }

    /// Writes a new object.
    pub async fn create<T: Resource>(&self, object: T) -> Result<T, StatusError> {
        let store = self.store::<T>()?;
        let context = context(&object.metadata().namespace, &object.metadata().name);
        let mut object: Box<dyn Object> = Box::new(object);
        store.rules().default(object.as_mut());
        downcast(store.create(&context, object, &NoValidation).await?.object)
    }

    /// Writes a new object unless there is one of its name; whether it was written.
    pub async fn create_if_absent<T: Resource>(&self, object: T) -> Result<bool, StatusError> {
        let meta = object.metadata();
        if self.get::<T>(&meta.namespace, &meta.name).await?.is_some() {
            return Ok(false);
        }
        match self.create(object).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes an object; `change` is called again on a newer version when the write lost a race.
    pub async fn update<T: Resource>(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnMut(&mut T) + Send,
    ) -> Result<T, StatusError> {
        self.update_by(namespace, name, UpdateRules::Main, change).await
    }

    /// Changes the status of an object.
    pub async fn update_status<T: Resource>(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnMut(&mut T) + Send,
    ) -> Result<T, StatusError> {
        match entry_of::<T>()?.subresource("status").map(|subresource| subresource.kind) {
            Some(SubresourceKind::View(view)) => {
                self.update_by(namespace, name, UpdateRules::View(view), change).await
            }
            _ => Err(StatusError::internal_error(format!("{} have no status", T::PLURAL))),
        }
    }

    async fn update_by<T: Resource>(
        &self,
        namespace: &str,
        name: &str,
        rules: UpdateRules,
        change: impl FnMut(&mut T) + Send,
    ) -> Result<T, StatusError> {
        let store = self.store::<T>()?;
        let not_found = StatusError::not_found(store.resource(), name);
        let mut change = InPlace { change, not_found, kind: std::marker::PhantomData };
        let updated = store.update(&context(namespace, name), rules, false, &mut change).await?;
        downcast(updated.stored.object)
    }

    /// Deletes an object; one that is not there counts as deleted.
    pub async fn delete<T: Resource>(&self, namespace: &str, name: &str) -> Result<(), StatusError> {
        let store = self.store::<T>()?;
        let context = context(namespace, name);
        match store.delete(&context, &DeleteOptions::default(), &Unjudged).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn context(namespace: &str, name: &str) -> WriteContext {
    let mut rules = Context::system(jiff::Timestamp::now());
    rules.namespace = namespace.to_string();
    rules.name = name.to_string();
    WriteContext::new(rules, Arc::new(Silent))
}

/// A boxed object as its type.
pub fn downcast<T: Resource>(object: Box<dyn Object>) -> Result<T, StatusError> {
    match object.as_any().downcast_ref::<T>() {
        Some(typed) => Ok(typed.clone()),
        None => Err(StatusError::internal_error(format!("a stored object is not a {}", T::KIND))),
    }
}

struct Unjudged;

#[async_trait]
impl DeleteValidation for Unjudged {
    async fn validate(&self, _: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }
}

struct InPlace<T, F> {
    change: F,
    not_found: StatusError,
    kind: std::marker::PhantomData<fn(T)>,
}

#[async_trait]
impl<T: Resource, F: FnMut(&mut T) + Send> Change for InPlace<T, F> {
    async fn apply(&mut self, current: Option<&dyn Object>) -> Result<Box<dyn Object>, StatusError> {
        let Some(current) = current else { return Err(self.not_found.clone()) };
        let mut object: T = downcast(current.clone_box())?;
        (self.change)(&mut object);
        Ok(Box::new(object))
    }

    async fn validate_create(&mut self, _: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }

    async fn validate_update(&mut self, _: &dyn Object, _: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }
}
