//! Takes back that a pod is about to be disrupted, when it was not.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::Pod;
use client::Patch;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use rules::core::v1::pod::meaning::{condition, is_terminal};
use runtime::{Action, Controller, ObjectKey, Plan, Store};
use serde_json::json;

/// A pod that is not deleted within this time was not disrupted.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(120);
const TARGET: &str = "DisruptionTarget";

/// The controller: its cache.
pub(super) struct StaleDisruptions {
    pub pods: Store<Pod>,
}

/// True when the pod is said to be disrupted but is not going. What a kubelet says takes as long as it takes.
pub(super) fn is_marked(pod: &Pod) -> bool {
    let target = condition(&pod.status, TARGET);
    target.is_some_and(|target| target.status == "True" && target.reason != "TerminationByKubelet")
        && pod.metadata.deletion_timestamp.is_none()
        && !is_terminal(pod)
}

impl Controller for StaleDisruptions {
    type Inputs = Arc<Pod>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<Pod>> {
        self.pods.get(key).filter(|pod| is_marked(pod))
    }

    fn plan(pod: &Arc<Pod>, now: Timestamp) -> Plan {
        plan(pod, now)
    }
}

pub(super) fn plan(pod: &Pod, now: Timestamp) -> Plan {
    let Some(target) = condition(&pod.status, TARGET) else { return Plan::nothing() };
    let since = target.last_transition_time.to_timestamp();
    let left = since.map_or(SignedDuration::ZERO, |since| TIMEOUT - now.duration_since(since));
    if left.is_positive() {
        return Plan::nothing().requeue_after(Duration::try_from(left).unwrap_or_default());
    }
    let mut entry = json!({
        "type": TARGET, "status": "False", "reason": null, "message": null,
        "lastTransitionTime": Time::from(now).to_string(),
    });
    if pod.status.observed_generation != 0 {
        entry["observedGeneration"] = pod.metadata.generation.into();
    }
    let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [entry]}});
    Plan::of(vec![Action::patch_status(pod, Patch::Strategic(patch))])
}
