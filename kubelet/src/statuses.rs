//! The statuses of pods: held here, brought to the API when they change, and the last word on a pod's deletion.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{Pod, PodStatus};
use async_trait::async_trait;
use component_base::Shutdown;
use futures_util::stream::{self, StreamExt};
use hashbrown::HashMap;
use jiff::Timestamp;
use kubelet_core::pod;
use kubelet_core::status::merge;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::Notify;

use client::outage::Outage;

/// How often everything is compared again, in case a change got lost.
const RECONCILE: Duration = Duration::from_secs(10);
/// How soon a status that could not be sent is sent again, at first.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How many requests may be under way at a time.
const PARALLEL: usize = 8;

/// Why the API did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PodApiError {
    #[error("pod not found")]
    NotFound,
    #[error("pod already exists")]
    AlreadyExists,
    #[error("{0}")]
    Other(String),
}

/// The pods of the API, as far as the kubelet writes them.
#[async_trait]
pub trait PodApi: Send + Sync {
    /// Applies a strategic merge patch to the status; returns the pod after it.
    async fn patch_status(&self, namespace: &str, name: &str, patch: &Value) -> Result<Pod, PodApiError>;
    /// Creates a mirror pod.
    async fn create(&self, pod: &Pod) -> Result<Pod, PodApiError>;
    /// Deletes without grace, only the pod with this uid.
    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), PodApiError>;
}

/// The pods of this node as the API has them, mirrors included, by namespace and name.
#[derive(Default)]
pub struct ApiPods {
    pods: RwLock<HashMap<(String, String), Arc<Pod>>>,
}

impl ApiPods {
    /// The pod of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods.read().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Adds or replaces a pod.
    pub fn insert(&self, pod: Arc<Pod>) {
        let key = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        self.pods.write().insert(key, pod);
    }

    /// Removes a pod.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.pods.write().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Replaces all.
    pub fn replace(&self, pods: &[Arc<Pod>]) {
        let next = pods
            .iter()
            .map(|pod| ((pod.metadata.namespace.clone(), pod.metadata.name.clone()), pod.clone()))
            .collect();
        *self.pods.write() = next;
    }

    /// All mirror pods.
    pub fn mirrors(&self) -> Vec<Arc<Pod>> {
        self.pods.read().values().filter(|pod| pod::is_mirror(pod)).cloned().collect()
    }
}

/// Holds the statuses.
pub struct Statuses {
    entries: Mutex<HashMap<String, Entry>>,
    changed: Notify,
    api_pods: Arc<ApiPods>,
}

struct Entry {
    namespace: String,
    name: String,
    is_static: bool,
    status: PodStatus,
    /// Whether containers may still run: final phases are held back.
    may_run: bool,
    /// Delete the object once its status has arrived.
    delete: bool,
    /// The API's status after the last patch, and the resource version it came with.
    sent: Option<(PodStatus, u64)>,
    dirty: bool,
}

impl Statuses {
    /// No statuses, over the API's pods.
    pub fn new(api_pods: Arc<ApiPods>) -> Arc<Statuses> {
        Arc::new(Statuses { entries: Mutex::default(), changed: Notify::new(), api_pods })
    }

    /// The status last made of a pod.
    pub fn get(&self, uid: &str) -> Option<PodStatus> {
        self.entries.lock().get(uid).map(|entry| entry.status.clone())
    }

    /// Takes a new status of a pod.
    pub fn set(&self, pod: &Pod, status: PodStatus, may_run: bool) {
        let mut entries = self.entries.lock();
        let entry = entries.entry(pod.metadata.uid.clone()).or_insert_with(|| Entry {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            is_static: pod::is_static(pod),
            status: PodStatus::default(),
            may_run: true,
            delete: false,
            sent: None,
            dirty: true,
        });
        if entry.status == status && entry.may_run == may_run {
            return;
        }
        entry.status = status;
        entry.may_run = may_run;
        entry.dirty = true;
        self.changed.notify_one();
    }

    /// Nothing of the pod is left: delete the object after its status has arrived.
    pub fn delete(&self, uid: &str) {
        if let Some(entry) = self.entries.lock().get_mut(uid) {
            entry.delete = true;
            entry.dirty = true;
            self.changed.notify_one();
        }
    }

    /// Forgets a pod.
    pub fn forget(&self, uid: &str) {
        self.entries.lock().remove(uid);
    }

    /// Looks at a pod again, because the API's changed.
    pub fn recheck(&self, uid: &str) {
        if let Some(entry) = self.entries.lock().get_mut(uid) {
            entry.dirty = true;
            self.changed.notify_one();
        }
    }

    /// Brings statuses to the API until shutdown.
    pub async fn run(self: Arc<Statuses>, api: Arc<dyn PodApi>, shutdown: Shutdown) {
        let mut outage = Outage::new("update the statuses of pods", FIRST_RETRY, RECONCILE);
        let mut wait = RECONCILE;
        loop {
            // Cancel-safe: all arms only wait.
            let everything = tokio::select! {
                () = shutdown.wait() => return,
                () = self.changed.notified() => false,
                () = tokio::time::sleep(wait) => true,
            };
            let uids: Vec<String> = {
                let mut entries = self.entries.lock();
                entries
                    .iter_mut()
                    .filter(|(_, entry)| entry.dirty || everything)
                    .map(|(uid, entry)| {
                        entry.dirty = false;
                        uid.clone()
                    })
                    .collect()
            };
            let brought: Vec<Brought> = stream::iter(uids)
                .map(|uid| {
                    let (statuses, api) = (&self, &api);
                    async move { statuses.bring(api.as_ref(), &uid).await }
                })
                .buffer_unordered(PARALLEL)
                .collect()
                .await;
            // One answer for all: while the API is away, every pod fails with the same words.
            if let Some(error) = brought.iter().find_map(|outcome| outcome.as_ref().err()) {
                wait = outage.failed(error);
            } else if everything {
                outage.over();
                wait = RECONCILE;
            }
        }
    }

    /// Brings one status to the API.
    async fn bring(&self, api: &dyn PodApi, uid: &str) -> Brought {
        let Some(step) = self.step(uid) else { return Ok(()) };
        match step {
            Step::Patch { namespace, name, patch } => match api.patch_status(&namespace, &name, &patch).await
            {
                Ok(pod) => {
                    let mut entries = self.entries.lock();
                    if let Some(entry) = entries.get_mut(uid) {
                        let version = version_of(&pod);
                        entry.sent = Some((pod.status, version));
                        if entry.delete {
                            entry.dirty = true;
                            self.changed.notify_one();
                        }
                    }
                }
                Err(PodApiError::NotFound) => {
                    tracing::debug!(namespace, name, "pod is gone, status not sent")
                }
                Err(error) => {
                    tracing::debug!(%error, namespace, name, "failed to update the status of a pod");
                    if let Some(entry) = self.entries.lock().get_mut(uid) {
                        // Tried again with everything else.
                        entry.sent = None;
                    }
                    return Err(error.to_string());
                }
            },
            Step::Delete { namespace, name } => match api.delete(&namespace, &name, uid).await {
                Ok(()) | Err(PodApiError::NotFound) => {
                    tracing::info!(namespace, name, uid, "pod deleted after its termination");
                    self.forget(uid);
                }
                Err(error) => {
                    tracing::debug!(%error, namespace, name, "failed to delete a pod after its termination");
                    return Err(error.to_string());
                }
            },
        }
        Ok(())
    }

    /// What to send about a pod.
    fn step(&self, uid: &str) -> Option<Step> {
        let entries = self.entries.lock();
        let entry = entries.get(uid)?;
        let pod = self.api_pods.get(&entry.namespace, &entry.name)?;
        // A static pod is known to the API by its mirror; any other must be the very pod.
        let is_this = if entry.is_static { pod::is_mirror(&pod) } else { pod.metadata.uid == uid };
        if !is_this {
            return None;
        }
        let api_status = match &entry.sent {
            // What the last patch answered is newer than what the watch brought.
            Some((status, version)) if *version > version_of(&pod) => status,
            _ => &pod.status,
        };
        let (namespace, name) = (entry.namespace.clone(), entry.name.clone());
        let next = merge::with_api_status(api_status, &entry.status, entry.may_run, Timestamp::now());
        match merge::patch(&pod.metadata.uid, api_status, &next) {
            Some(patch) => Some(Step::Patch { namespace, name, patch }),
            None if entry.delete && pod.metadata.deletion_timestamp.is_some() => {
                Some(Step::Delete { namespace, name })
            }
            None => None,
        }
    }
}

/// The error is what the API said instead of taking a status.
type Brought = Result<(), String>;

enum Step {
    Patch { namespace: String, name: String, patch: Value },
    Delete { namespace: String, name: String },
}

fn version_of(pod: &Pod) -> u64 {
    pod.metadata.resource_version.parse().unwrap_or(0)
}
