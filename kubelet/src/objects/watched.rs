//! Objects out of the API: one watch per ConfigMap and Secret that a pod of this node refers to (a node may read no
//! others), one for Services, one for RuntimeClasses.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service};
use api_types::node::v1::RuntimeClass;
use async_trait::async_trait;
use client::{Client, ListParams};
use component_base::Shutdown;
use hashbrown::{HashMap, HashSet};
use kubelet_core::projection::{self, TokenNeed};
use kubelet_core::{environment, pod as pods};
use machinery::Resource;
use parking_lot::Mutex;
use runtime::{Informer, Store};
use tokio::sync::mpsc;

use super::tokens::Tokens;
use super::{ObjectError, Objects, Token};
use crate::pods::PodEvent;

/// How long to wait for the first answer of a watch.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Objects out of the API.
pub struct WatchedObjects {
    client: Client,
    config_maps: Kind<ConfigMap>,
    secrets: Kind<Secret>,
    services: Store<Service>,
    runtime_classes: Store<RuntimeClass>,
    tokens: Tokens,
}

/// Namespace and name.
type Key = (String, String);

/// The watched objects of one kind.
struct Kind<T> {
    client: Client,
    shutdown: Shutdown,
    wake: mpsc::UnboundedSender<PodEvent>,
    watched: Mutex<HashMap<Key, Watched<T>>>,
}

struct Watched<T> {
    store: Store<T>,
    /// Uids of the pods that need it; woken when it changes.
    users: Arc<Mutex<HashSet<String>>>,
    stop: Shutdown,
}

impl WatchedObjects {
    /// Starts the watches every node has. `wake` hears of pods whose objects changed.
    pub fn start(
        client: Client,
        wake: mpsc::UnboundedSender<PodEvent>,
        shutdown: &Shutdown,
    ) -> WatchedObjects {
        let keep_service = |service: &mut Service| {
            service.metadata.managed_fields = Vec::new();
            service.metadata.annotations = Default::default();
            service.status = Default::default();
        };
        let services = Informer::new(client.all::<Service>()).with_transform(keep_service).start(shutdown);
        let runtime_classes = Informer::new(client.all::<RuntimeClass>()).start(shutdown);
        WatchedObjects {
            config_maps: Kind::new(&client, &wake, shutdown),
            secrets: Kind::new(&client, &wake, shutdown),
            tokens: Tokens::new(client.clone()),
            services,
            runtime_classes,
            client,
        }
    }
}

impl<T: Resource> Kind<T> {
    fn new(client: &Client, wake: &mpsc::UnboundedSender<PodEvent>, shutdown: &Shutdown) -> Kind<T> {
        Kind {
            client: client.clone(),
            shutdown: shutdown.clone(),
            wake: wake.clone(),
            watched: Mutex::default(),
        }
    }

    /// Adds a user of an object; the first one starts its watch.
    fn add(&self, namespace: &str, name: &str, uid: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let mut watched = self.watched.lock();
        let entry = watched.entry(key).or_insert_with(|| self.watch(namespace, name));
        entry.users.lock().insert(uid.to_owned());
    }

    fn watch(&self, namespace: &str, name: &str) -> Watched<T> {
        let stop = self.shutdown.child();
        let only = ListParams::default().fields(format!("metadata.name={name}"));
        let informer = Informer::new(self.client.namespaced::<T>(namespace)).select(only);
        let users: Arc<Mutex<HashSet<String>>> = Arc::default();
        {
            let (users, wake) = (users.clone(), self.wake.clone());
            informer.store().subscribe(move |_| {
                let uids = users.lock().iter().cloned().collect();
                // The manager is gone only when the kubelet is.
                let _ = wake.send(PodEvent::Wake(uids));
            });
        }
        Watched { store: informer.start(&stop), users, stop }
    }

    /// Removes a user of every object it needs no more; the last one ends the watch.
    fn keep_only(&self, uid: &str, keep: &HashSet<Key>) {
        self.watched.lock().retain(|key, entry| {
            if keep.contains(key) {
                return true;
            }
            let mut users = entry.users.lock();
            users.remove(uid);
            if users.is_empty() {
                entry.stop.trigger();
                return false;
            }
            true
        });
    }

    async fn get(
        &self,
        kind: &'static str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<T>>, ObjectError> {
        let key = (namespace.to_owned(), name.to_owned());
        let store = self.watched.lock().get(&key).map(|entry| entry.store.clone());
        if let Some(store) = store
            && tokio::time::timeout(FIRST_ANSWER, store.synced()).await.is_ok()
        {
            return Ok(store.get_by(namespace, name));
        }
        // Not watched, or the watch does not come up: the plain question tells why.
        match self.client.namespaced::<T>(namespace).get(name).await {
            Ok(object) => Ok(Some(Arc::new(object))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(failed(kind, namespace, name, &error)),
        }
    }
}

fn failed(kind: &'static str, namespace: &str, name: &str, error: &client::Error) -> ObjectError {
    ObjectError::Failed {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        message: component_base::run::error_chain(error),
    }
}

/// The ConfigMaps and Secrets a pod refers to, by namespace and name.
fn references(pod: &Pod) -> (HashSet<Key>, HashSet<Key>) {
    let namespace = &pod.metadata.namespace;
    let mut config_maps = HashSet::new();
    let mut secrets = HashSet::new();
    let mut add = |(maps, named): (Vec<&str>, Vec<&str>)| {
        config_maps.extend(maps.into_iter().map(|name| (namespace.clone(), name.to_owned())));
        secrets.extend(named.into_iter().map(|name| (namespace.clone(), name.to_owned())));
    };
    for (_, _, container) in pods::containers(pod) {
        add(environment::references(&container));
    }
    for volume in &pod.spec.volumes {
        add(projection::references(volume));
    }
    let pulls = pod.spec.image_pull_secrets.iter().map(|reference| reference.name.as_str());
    add((Vec::new(), pulls.filter(|name| !name.is_empty()).collect()));
    (config_maps, secrets)
}

#[async_trait]
impl Objects for WatchedObjects {
    fn register(&self, pod: &Pod) {
        let uid = &pod.metadata.uid;
        let (config_maps, secrets) = references(pod);
        config_maps.iter().for_each(|(namespace, name)| self.config_maps.add(namespace, name, uid));
        secrets.iter().for_each(|(namespace, name)| self.secrets.add(namespace, name, uid));
    }

    fn unregister(&self, pod: &Pod) {
        let uid = &pod.metadata.uid;
        self.config_maps.keep_only(uid, &HashSet::new());
        self.secrets.keep_only(uid, &HashSet::new());
        self.tokens.forget(uid);
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ObjectError> {
        self.config_maps.get("configMap", namespace, name).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ObjectError> {
        self.secrets.get("secret", namespace, name).await
    }

    async fn services(&self, patience: Duration) -> Result<Vec<Arc<Service>>, ObjectError> {
        match tokio::time::timeout(patience, self.services.synced()).await {
            Ok(()) => Ok(self.services.list()),
            Err(_) => Err(ObjectError::ServicesNotSynced),
        }
    }

    async fn token(&self, pod: &Pod, need: &TokenNeed) -> Result<Token, ObjectError> {
        self.tokens.get(pod, need).await
    }

    async fn runtime_handler(&self, class: &str) -> Result<Option<String>, ObjectError> {
        if tokio::time::timeout(FIRST_ANSWER, self.runtime_classes.synced()).await.is_err() {
            return Err(ObjectError::Failed {
                kind: "RuntimeClass",
                namespace: String::new(),
                name: class.to_owned(),
                message: "runtime classes have not been read yet".to_owned(),
            });
        }
        let found = self.runtime_classes.list().into_iter().find(|known| known.metadata.name == class);
        Ok(found.map(|class| class.handler.clone()))
    }

    async fn claim(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(PersistentVolumeClaim, Option<PersistentVolume>)>, ObjectError> {
        let claims = self.client.namespaced::<PersistentVolumeClaim>(namespace);
        let claim = match claims.get(name).await {
            Ok(claim) => claim,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(failed("persistentVolumeClaim", namespace, name, &error)),
        };
        if claim.spec.volume_name.is_empty() || claim.status.phase != "Bound" {
            return Ok(Some((claim, None)));
        }
        let volume = self.client.all::<PersistentVolume>().get(&claim.spec.volume_name).await;
        let volume =
            volume.map_err(|error| failed("persistentVolume", "", &claim.spec.volume_name, &error))?;
        Ok(Some((claim, Some(volume))))
    }
}
