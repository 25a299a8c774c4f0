//! The stores as the registry's own actions see them (eviction, bindings, allocation).

use std::sync::Arc;

use apiserver_registry::objects::Change as ObjectChange;
use apiserver_registry::{Address, Context, Entry, Objects, Pending};
use apiserver_storage::{Freshness, StorageError};
use machinery::meta::v1::DeleteOptions;
use machinery::object::Object;
use machinery::status::StatusError;

use super::{DeleteValidation, Store, WriteContext, status_of};

/// Finds the store of a row.
pub trait Stores: Send + Sync {
    /// The store of the row's resource; `None` when it is not stored.
    fn store_of(&self, entry: &'static Entry) -> Option<Arc<Store>>;
}

/// [`Objects`] over the stores of a table.
pub struct StoreObjects {
    stores: Arc<dyn Stores>,
    notes: Arc<dyn apiserver_admission::Notes>,
}

impl StoreObjects {
    /// Warnings of deletions go to `notes`.
    pub fn new(stores: Arc<dyn Stores>, notes: Arc<dyn apiserver_admission::Notes>) -> Self {
        StoreObjects { stores, notes }
    }

    fn store(&self, at: Address<'_>) -> Result<Arc<Store>, StatusError> {
        self.stores.store_of(at.entry).ok_or_else(|| {
            StatusError::internal_error(format!("resource {} is not stored", at.entry.group_resource()))
        })
    }
}

/// Admission has been asked by whoever acts.
struct NotAsked;

#[async_trait::async_trait]
impl DeleteValidation for NotAsked {
    async fn validate(&self, _object: &dyn Object) -> Result<(), StatusError> {
        Ok(())
    }
}

impl Objects for StoreObjects {
    fn get<'a>(&'a self, at: Address<'a>) -> Pending<'a, Result<Box<dyn Object>, StatusError>> {
        Box::pin(async move {
            let store = self.store(at)?;
            let found = store.get_live(at.namespace, at.name).await?;
            Ok(found.ok_or_else(|| StatusError::not_found(store.resource(), at.name))?.object)
        })
    }

    fn list<'a>(&'a self, at: Address<'a>) -> Pending<'a, Result<Vec<Box<dyn Object>>, StatusError>> {
        Box::pin(async move {
            let store = self.store(at)?;
            let snapshot = store.cacher().snapshot(Freshness::Any).await;
            let snapshot = snapshot.map_err(|error| status_of(&error, store.resource(), ""))?;
            let prefix = if at.namespace.is_empty() { String::new() } else { format!("{}/", at.namespace) };
            let within =
                snapshot.objects.iter_from(&prefix).take_while(|object| object.path().starts_with(&prefix));
            within.map(|object| Ok(store.decode_cached(object)?.object)).collect()
        })
    }

    fn create<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        mut object: Box<dyn Object>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>> {
        Box::pin(async move {
            let store = self.store(at)?;
            let name = object.meta().name.clone();
            let key = store.key(at.namespace, &name);
            let bytes = store.encode(object.as_mut());
            if context.dry_run {
                return Ok(object);
            }
            match store.options.storage.create(&key, bytes.clone(), store.time_to_live()).await {
                Ok(revision) => Ok(store.written(object, bytes, revision)?.object),
                Err(error) => Err(status_of(&error, store.resource(), &name)),
            }
        })
    }

    fn change<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        mut change: ObjectChange<'a>,
    ) -> Pending<'a, Result<Box<dyn Object>, StatusError>> {
        Box::pin(async move {
            let store = self.store(at)?;
            let missing = || StatusError::not_found(store.resource(), at.name);
            let mut current = store.get_live(at.namespace, at.name).await?.ok_or_else(missing)?;
            loop {
                let mut new = current.object.clone();
                change(new.as_mut())?;
                let bytes = store.encode(new.as_mut());
                if context.dry_run {
                    return Ok(store.written(new, bytes, current.revision)?.object);
                }
                let key = store.key(at.namespace, at.name);
                let swap = store.options.storage.compare_and_swap(
                    &key,
                    current.revision,
                    bytes.clone(),
                    store.time_to_live(),
                );
                match swap.await {
                    Ok(revision) => return Ok(store.written(new, bytes, revision)?.object),
                    Err(StorageError::Conflict { current: Some(pair), .. }) => {
                        current = store.stored(*pair)?
                    }
                    Err(StorageError::Conflict { current: None, .. }) => return Err(missing()),
                    Err(error) => return Err(status_of(&error, store.resource(), at.name)),
                }
            }
        })
    }

    fn delete<'a>(
        &'a self,
        context: &'a Context,
        at: Address<'a>,
        options: &'a DeleteOptions,
    ) -> Pending<'a, Result<(), StatusError>> {
        Box::pin(async move {
            let store = self.store(at)?;
            let mut rules = context.clone();
            rules.namespace = at.namespace.to_owned();
            rules.name = at.name.to_owned();
            rules.subresource = String::new();
            rules.dry_run |= !options.dry_run.is_empty();
            let context = WriteContext::new(rules, self.notes.clone());
            store.delete(&context, options, &NotAsked).await.map(|_| ())
        })
    }
}
