//! The API objects that pods of a simulated node refer to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service};
use async_trait::async_trait;
use kubelet::objects::{NoObjects, ObjectError, Objects, Token};
use kubelet_core::projection::TokenNeed;
use parking_lot::Mutex;
use tokio::sync::watch;

/// ConfigMaps by name, and services that are read when a test says so; nothing else.
pub struct SimulatedObjects {
    config_maps: Mutex<BTreeMap<String, Arc<ConfigMap>>>,
    services_read: watch::Sender<bool>,
}

impl Default for SimulatedObjects {
    fn default() -> SimulatedObjects {
        SimulatedObjects { config_maps: Mutex::default(), services_read: watch::Sender::new(true) }
    }
}

impl SimulatedObjects {
    /// Lets services be read, or not yet.
    pub fn set_services_read(&self, read: bool) {
        self.services_read.send_replace(read);
    }

    /// Adds a ConfigMap with one key.
    pub fn add_config_map(&self, name: &str, key: &str, value: &str) {
        let map = ConfigMap { data: [(key.to_owned(), value.to_owned())].into(), ..ConfigMap::default() };
        self.config_maps.lock().insert(name.to_owned(), Arc::new(map));
    }

    /// Removes a ConfigMap.
    pub fn remove_config_map(&self, name: &str) {
        self.config_maps.lock().remove(name);
    }
}

#[async_trait]
impl Objects for SimulatedObjects {
    fn register(&self, _pod: &Pod) {}

    fn unregister(&self, _pod: &Pod) {}

    async fn config_map(&self, _namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ObjectError> {
        Ok(self.config_maps.lock().get(name).cloned())
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ObjectError> {
        NoObjects.secret(namespace, name).await
    }

    async fn services(&self, patience: Duration) -> Result<Vec<Arc<Service>>, ObjectError> {
        let mut read = self.services_read.subscribe();
        match tokio::time::timeout(patience, read.wait_for(|read| *read)).await {
            Ok(_) => Ok(Vec::new()),
            Err(_) => Err(ObjectError::ServicesNotSynced),
        }
    }

    async fn token(&self, pod: &Pod, need: &TokenNeed) -> Result<Token, ObjectError> {
        NoObjects.token(pod, need).await
    }

    async fn runtime_handler(&self, class: &str) -> Result<Option<String>, ObjectError> {
        NoObjects.runtime_handler(class).await
    }

    async fn claim(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(PersistentVolumeClaim, Option<PersistentVolume>)>, ObjectError> {
        NoObjects.claim(namespace, name).await
    }
}
