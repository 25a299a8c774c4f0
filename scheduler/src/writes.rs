//! What the owner decided, written to the API by tasks of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Binding, ObjectReference, Pod};
use client::{Client, DeleteParams, Patch, PatchParams};
use runtime::events::SeriesRecorder;
use scheduler_core::pod::PodInfo;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::feed::Change;

/// Requests under way at once: enough to keep an apiserver busy, few enough not to flood it.
const CONCURRENT: usize = 128;

/// The outcome of a write that the owner has to know.
#[derive(Debug)]
pub struct Written {
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// Why the binding failed; none when it went well.
    pub error: Option<String>,
}

/// Writes to the API.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    recorders: Arc<BTreeMap<String, SeriesRecorder>>,
    permits: Arc<Semaphore>,
    outcome: mpsc::UnboundedSender<Change>,
}

/// A reference to a pod as events carry it.
fn reference(pod: &PodInfo) -> ObjectReference {
    ObjectReference {
        kind: "Pod".to_owned(),
        api_version: "v1".to_owned(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        ..ObjectReference::default()
    }
}

impl Writer {
    /// `recorders` by the name of the scheduler in whose name events are said.
    pub fn new(
        client: Client,
        recorders: BTreeMap<String, SeriesRecorder>,
        outcome: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        Self { client, recorders: Arc::new(recorders), permits, outcome }
    }

    fn say(
        &self,
        pod: &PodInfo,
        related: Option<ObjectReference>,
        kind: &str,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        if let Some(recorder) = self.recorders.get(&pod.scheduler_name) {
            recorder.event(reference(pod), related, kind, reason, action, note);
        }
    }

    /// Binds the pod to the node; the owner hears of the outcome.
    pub fn bind(&self, pod: Arc<PodInfo>, node: String) {
        let writer = self.clone();
        tokio::spawn(async move {
            let _permit = writer.permits.acquire().await;
            let mut binding = Binding::default();
            binding.metadata.name.clone_from(&pod.name);
            binding.metadata.namespace.clone_from(&pod.namespace);
            binding.metadata.uid.clone_from(&pod.uid);
            binding.target =
                ObjectReference { kind: "Node".to_owned(), name: node.clone(), ..Default::default() };
            let pods = writer.client.namespaced::<Pod>(&pod.namespace);
            let error = match pods.create_below(&pod.name, "binding", &binding).await {
                Ok(_) => {
                    let note = format!("Successfully assigned {} to {node}", pod.key);
                    writer.say(&pod, None, "Normal", "Scheduled", "Binding", &note);
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            writer.outcome.send(Change::Written(Written { pod, error })).ok();
        });
    }

    /// Tells the pod why it has no node. `nominated` is the node it waits for: none leaves what is there.
    pub fn unschedulable(
        &self,
        pod: Arc<PodInfo>,
        reason: &'static str,
        message: String,
        nominated: Option<String>,
    ) {
        let writer = self.clone();
        tokio::spawn(async move {
            let _permit = writer.permits.acquire().await;
            writer.say(&pod, None, "Warning", "FailedScheduling", "Scheduling", &message);
            let now = machinery::Time::from(jiff::Timestamp::now()).to_string();
            let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason,
                "message": message, "lastProbeTime": null, "lastTransitionTime": now});
            let mut status = json!({"conditions": [condition]});
            if let Some(node) = nominated {
                status["nominatedNodeName"] = json!(node);
            }
            writer.patch_status(&pod, status).await;
        });
    }

    async fn patch_status(&self, pod: &PodInfo, status: serde_json::Value) {
        let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid}, "status": status}));
        let pods = self.client.namespaced::<Pod>(&pod.namespace);
        match pods.patch_status(&pod.name, &patch, &PatchParams::default()).await {
            Ok(_) => {}
            // It went meanwhile: nobody is left to be told.
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => tracing::warn!(pod = %pod.key, %error, "failed to update the status of a pod"),
        }
    }

    /// Takes back the nomination of a less important pod whose room is taken.
    pub fn clear_nomination(&self, pod: Arc<PodInfo>) {
        let writer = self.clone();
        tokio::spawn(async move {
            let _permit = writer.permits.acquire().await;
            writer.patch_status(&pod, json!({"nominatedNodeName": null})).await;
        });
    }

    /// Pushes a pod out in favour of `preemptor`.
    pub fn evict(&self, victim: Arc<PodInfo>, preemptor: Arc<PodInfo>, node: String) {
        let writer = self.clone();
        tokio::spawn(async move {
            let _permit = writer.permits.acquire().await;
            let now = machinery::Time::from(jiff::Timestamp::now()).to_string();
            let message =
                format!("{}: preempting to accommodate a higher priority pod", preemptor.scheduler_name);
            let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
                "message": message, "lastProbeTime": null, "lastTransitionTime": now});
            writer.patch_status(&victim, json!({"conditions": [condition]})).await;
            let pods = writer.client.namespaced::<Pod>(&victim.namespace);
            let params = DeleteParams::default().with_uid(victim.uid.clone());
            match pods.delete(&victim.name, &params).await {
                Ok(_) => {
                    let note = format!("Preempted by pod {} on node {node}", preemptor.uid);
                    // Said in the name of the scheduler that placed the preemptor, which may not be the victim's.
                    if let Some(recorder) = writer.recorders.get(&preemptor.scheduler_name) {
                        let by = Some(reference(&preemptor));
                        recorder.event(reference(&victim), by, "Normal", "Preempted", "Preempting", &note);
                    }
                }
                Err(error) if error.is_not_found() || error.is_conflict() => {}
                Err(error) => tracing::error!(pod = %victim.key, %error, "failed to preempt a pod"),
            }
        });
    }
}
