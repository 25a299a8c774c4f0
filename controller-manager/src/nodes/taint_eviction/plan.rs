//! Decides whether a pod must leave its node, now or later.

use api_types::core::v1::{ObjectReference, Pod, Toleration};
use jiff::{SignedDuration, Timestamp};
use rules::core::v1::scheduling::tolerates;
use runtime::{Action, Note, Plan};

use super::gather::Inputs;
use crate::pods::mark_disrupted;

pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let pod = inputs.pod.as_ref();
    let Some(wait) = tolerated_for(inputs) else { return Plan::nothing() };
    let left = (inputs.since + wait).duration_since(now);
    if left.is_positive() {
        return match left.try_into() {
            Ok(left) => Plan::nothing().requeue_after(left),
            Err(_) => Plan::nothing(),
        };
    }
    let name = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
    let note = Note::normal(about(pod), "TaintManagerEviction", format!("Marking for deletion Pod {name}"));
    let reason = "DeletionByTaintManager";
    let mark = mark_disrupted(pod, reason, "Taint manager: deleting due to NoExecute taint", now);
    Plan::of(mark.into_iter().collect()).then(vec![Action::delete(pod)]).note(note)
}

/// How long the pod tolerates the taints: zero when one is not tolerated, `None` for ever.
fn tolerated_for(inputs: &Inputs) -> Option<SignedDuration> {
    let tolerations = &inputs.pod.spec.tolerations;
    let mut shortest: Option<i64> = None;
    for taint in &inputs.taints {
        // Of several matching tolerations the first counts.
        let used: Option<&Toleration> =
            tolerations.iter().find(|toleration| tolerates(toleration, taint, false));
        match used.map(|toleration| toleration.toleration_seconds) {
            None => return Some(SignedDuration::ZERO),
            Some(None) => {}
            Some(Some(seconds)) => {
                shortest = Some(shortest.map_or(seconds, |known| known.min(seconds)).max(0))
            }
        }
    }
    shortest.map(SignedDuration::from_secs)
}

/// Upstream's events about evictions name the pod without its UID.
fn about(pod: &Pod) -> ObjectReference {
    ObjectReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        ..ObjectReference::default()
    }
}
