//! The objects that admission plugins ask for, read from the stores.

use std::sync::Arc;

use apiserver_admission::Objects;
use apiserver_storage::Freshness;
use async_trait::async_trait;
use machinery::GroupVersionResource;
use machinery::object::Object;
use machinery::status::StatusError;

use crate::store::{Store, Stores, status_of};

/// Reads the stores.
pub struct AdmissionObjects {
    /// The stores.
    pub stores: Arc<dyn Stores>,
}

impl AdmissionObjects {
    fn store(&self, resource: &GroupVersionResource) -> Result<Arc<Store>, StatusError> {
        let GroupVersionResource { group, version, resource: plural } = resource;
        apiserver_registry::find(group, version, plural)
            .and_then(|entry| self.stores.store_of(entry))
            .ok_or_else(|| StatusError::internal_error(format!("{resource} is not stored")))
    }
}

#[async_trait]
impl Objects for AdmissionObjects {
    async fn cached(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        let store = self.store(resource)?;
        match store.get(namespace, name, Freshness::Any).await {
            Ok(cached) => Ok(Some(store.decode_cached(&cached)?.object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn live(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        let found = self.store(resource)?.get_live(namespace, name).await?;
        Ok(found.map(|stored| stored.object))
    }

    async fn list(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
    ) -> Result<Vec<Box<dyn Object>>, StatusError> {
        let store = self.store(resource)?;
        let snapshot = store.cacher().snapshot(Freshness::Any).await;
        let snapshot = snapshot.map_err(|error| status_of(&error, store.resource(), ""))?;
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let found =
            snapshot.objects.iter_from(&prefix).take_while(|object| object.path().starts_with(&prefix));
        found.map(|object| Ok(store.decode_cached(object)?.object)).collect()
    }
}
