//! Where a worker is in the life of its pod, for whoever counts pods.

use std::sync::atomic::{AtomicUsize, Ordering};

use kubelet_core::pod_lifecycle::PodLifecycle;

/// The stages, in upstream's words.
pub const STAGES: [&str; 3] = ["sync", "terminating", "terminated"];
/// The place of the last stage in [`STAGES`].
pub const TERMINATED: usize = 2;

/// Written by the worker, read by the manager.
#[derive(Debug, Default)]
pub struct Stage(AtomicUsize);

impl Stage {
    /// Notes where the worker is.
    pub fn set(&self, lifecycle: &PodLifecycle) {
        let place = match lifecycle {
            PodLifecycle::Syncing => 0,
            PodLifecycle::Terminating(_) => 1,
            PodLifecycle::Terminated => TERMINATED,
        };
        self.0.store(place, Ordering::Relaxed);
    }

    /// The place in [`STAGES`].
    pub fn place(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
