//! An API server that keeps pods in memory, takes their statuses as the real one does, and can be away.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Pod, PodStatus};
use async_trait::async_trait;
use kubelet::pods::PodEvent;
use kubelet::statuses::{PodApi, PodApiError};
use machinery::Message;
use machinery::patch::strategic;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

/// The pods and what happened to them.
#[derive(Default)]
pub struct Api {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pods: BTreeMap<String, Pod>,
    version: u64,
    away: bool,
    tries: u32,
    /// Every status that was taken, in order.
    taken: Vec<(String, PodStatus)>,
    /// Where changes are told.
    watcher: Option<mpsc::UnboundedSender<PodEvent>>,
}

impl Api {
    /// An API server with these pods.
    pub fn with(pods: &[Pod]) -> Arc<Api> {
        let api = Arc::new(Api::default());
        for pod in pods {
            api.insert(pod.clone());
        }
        api
    }

    /// Adds or replaces a pod.
    pub fn insert(&self, pod: Pod) {
        let mut state = self.state.lock();
        keep(&mut state, pod);
    }

    /// From now on changes are told here.
    pub fn watch(&self, watcher: mpsc::UnboundedSender<PodEvent>) {
        self.state.lock().watcher = Some(watcher);
    }

    /// All pods.
    pub fn pods(&self) -> Vec<Pod> {
        self.state.lock().pods.values().cloned().collect()
    }

    /// The status of a pod.
    pub fn status(&self, name: &str) -> PodStatus {
        self.state.lock().pods.get(name).map(|pod| pod.status.clone()).unwrap_or_default()
    }

    /// Lets it be away, or comes back.
    pub fn set_away(&self, away: bool) {
        self.state.lock().away = away;
    }

    /// How often a status was sent, whether or not it was taken.
    pub fn tries(&self) -> u32 {
        self.state.lock().tries
    }

    /// Every status that was taken so far, with the pod's name.
    pub fn taken(&self) -> Vec<(String, PodStatus)> {
        self.state.lock().taken.clone()
    }
}

fn keep(state: &mut State, mut pod: Pod) -> Pod {
    state.version += 1;
    pod.metadata.resource_version = state.version.to_string();
    state.pods.insert(pod.metadata.name.clone(), pod.clone());
    if let Some(watcher) = &state.watcher {
        // A kubelet that has ended hears nothing.
        let _ = watcher.send(PodEvent::ApiApplied(Arc::new(pod.clone())));
    }
    pod
}

#[async_trait]
impl PodApi for Api {
    async fn patch_status(&self, _namespace: &str, name: &str, patch: &Value) -> Result<Pod, PodApiError> {
        let mut state = self.state.lock();
        state.tries += 1;
        if state.away {
            return Err(PodApiError::Other("connection refused".to_owned()));
        }
        let pod = state.pods.get(name).ok_or(PodApiError::NotFound)?;
        let patched = strategic::apply(pod.to_value(), patch.clone(), Pod::SCHEMA)
            .map_err(|error| PodApiError::Other(error.to_string()))?;
        let pod = Pod::from_value(&patched).map_err(|error| PodApiError::Other(error.to_string()))?;
        state.taken.push((name.to_owned(), pod.status.clone()));
        Ok(keep(&mut state, pod))
    }

    async fn create(&self, pod: &Pod) -> Result<Pod, PodApiError> {
        let mut state = self.state.lock();
        if state.pods.contains_key(&pod.metadata.name) {
            return Err(PodApiError::AlreadyExists);
        }
        Ok(keep(&mut state, pod.clone()))
    }

    async fn delete(&self, _namespace: &str, name: &str, uid: &str) -> Result<(), PodApiError> {
        let mut state = self.state.lock();
        match state.pods.get(name) {
            Some(pod) if pod.metadata.uid == uid => {
                state.pods.remove(name);
                Ok(())
            }
            _ => Err(PodApiError::NotFound),
        }
    }
}
