//! Pods on this node: one owner of the list, one task per pod.
//!
//! ```text
//!   sources ─▶ manager ─(orders)─▶ worker ─▶ plan ─▶ runtime
//!                 ▲                  ▲  └──▶ status ─▶ API
//!                 └── finished ──────┘ wakes: runtime events, probes, objects, back-off
//! ```

mod allocation;
mod hooks;
pub mod images;
pub mod manager;
mod mounts;
mod resizing;
pub mod stage;
mod start;
mod stop;
mod sync;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hashbrown::HashMap;
use parking_lot::RwLock;

use api_types::core::v1::Pod;
use kubelet_core::pod_lifecycle::TerminationCause;
use tokio::sync::{Notify, watch};

use self::stage::Stage;

pub use self::manager::{Manager, ManagerHandle, PodEvent};

/// What a worker is to bring about. Only the newest order counts.
#[derive(Clone, Debug)]
pub struct Order {
    pub pod: Arc<Pod>,
    /// Stop, for this reason and with this grace in seconds.
    pub terminate: Option<(TerminationCause, i64)>,
    /// Nobody wants the pod any more: when nothing of it runs, remove what is left.
    pub remove: bool,
    /// The object is gone from its source; there is nothing left to report to.
    pub gone: bool,
}

/// The manager's end of a worker.
#[derive(Debug)]
pub struct WorkerHandle {
    pub orders: watch::Sender<Order>,
    pub wake: Arc<Notify>,
    /// Set before a wake when objects that volumes are made from have changed.
    pub refresh: Arc<AtomicBool>,
    /// Where the worker is.
    pub stage: Arc<Stage>,
}

/// The pods that hold resources of this node, as the manager admitted them.
#[derive(Debug, Default)]
pub struct Neighbours {
    pods: RwLock<HashMap<String, Arc<Pod>>>,
}

impl Neighbours {
    /// All pods but the one with this uid.
    pub fn others(&self, uid: &str) -> Vec<Arc<Pod>> {
        self.pods.read().iter().filter(|(known, _)| *known != uid).map(|(_, pod)| pod.clone()).collect()
    }

    /// Adds a pod, or takes its newer form.
    pub fn insert(&self, pod: Arc<Pod>) {
        self.pods.write().insert(pod.metadata.uid.clone(), pod);
    }

    /// Removes a pod that holds nothing any more.
    pub fn remove(&self, uid: &str) {
        self.pods.write().remove(uid);
    }
}
