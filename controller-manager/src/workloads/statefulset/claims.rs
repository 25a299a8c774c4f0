//! Claims of pods: made before their pod, kept or removed as the retention policy says.

use api_types::apps::v1::StatefulSet;
use api_types::core::v1::{PersistentVolumeClaim, Pod};
use machinery::Resource;
use machinery::meta::v1::OwnerReference;
use runtime::plan::reference_to;
use runtime::{Action, Note};

use super::gather::Inputs;
use super::identity::{claims_of, ordinal_of, ordinals};
use crate::ownership::reference;

/// What is to be done for a pod's claims.
#[derive(Default)]
pub(super) struct Claims {
    pub actions: Vec<Action>,
    pub notes: Vec<Note>,
    /// A claim of the pod is going; the pod waits until it is gone.
    pub going: Option<String>,
}

/// Makes the claims that are missing.
pub(super) fn missing(inputs: &Inputs, pod: &Pod) -> Claims {
    let set = inputs.set.as_ref();
    let mut claims = Claims::default();
    for claim in ordinal_of(set, pod).map(|ordinal| claims_of(set, ordinal)).unwrap_or_default() {
        let name = claim.metadata.name.clone();
        match inputs.claims.get(&name) {
            Some(known) if known.metadata.deletion_timestamp.is_some() => claims.going = Some(name),
            Some(_) => {}
            None => {
                let (about, pod, set) = (reference_to(set), &pod.metadata.name, &set.metadata.name);
                let done = format!("Create Claim {name} Pod {pod} in StatefulSet {set} success");
                let failed = format!("Create Claim {name} for Pod {pod} in StatefulSet {set} failed error: ");
                let action = Action::create(claim).existing_is_done();
                let action = action.announcing(Note::normal(about.clone(), "SuccessfulCreate", done));
                claims.actions.push(action.on_failure(Note::warning(about, "FailedCreate", failed)));
            }
        }
    }
    claims
}

/// True when a claim is still that of a pod of before, which goes together with it.
pub(super) fn is_stale(inputs: &Inputs, pod: &Pod) -> bool {
    let set = inputs.set.as_ref();
    policy(set).1 == DELETE && of_pod(inputs, pod).any(|claim| has_stale_owner(claim, pod))
}

const RETAIN: &str = "Retain";
const DELETE: &str = "Delete";

/// When the set is deleted, and when it gets smaller.
fn policy(set: &StatefulSet) -> (&str, &str) {
    let policy = set.spec.persistent_volume_claim_retention_policy.as_deref();
    let known = |text: &str| if text == DELETE { DELETE } else { RETAIN };
    policy.map_or((RETAIN, RETAIN), |policy| (known(&policy.when_deleted), known(&policy.when_scaled)))
}

fn of_pod<'a>(inputs: &'a Inputs, pod: &Pod) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    let set = inputs.set.as_ref();
    let claims = ordinal_of(set, pod).map(|ordinal| claims_of(set, ordinal)).unwrap_or_default();
    claims.into_iter().filter_map(|claim| inputs.claims.get(&claim.metadata.name)).map(AsRef::as_ref)
}

fn names<T: Resource>(reference: &OwnerReference, object: &T) -> bool {
    reference.api_version == T::api_version()
        && reference.kind == T::KIND
        && reference.name == object.metadata().name
}

fn has_stale_owner<T: Resource>(claim: &PersistentVolumeClaim, object: &T) -> bool {
    let mut owners = claim.metadata.owner_references.iter();
    owners.find(|owner| names(owner, object)).is_some_and(|owner| owner.uid != object.metadata().uid)
}

/// Gives the claims of a pod the owners that the policy asks for.
pub(super) fn retained(inputs: &Inputs, pod: &Pod) -> Claims {
    let set = inputs.set.as_ref();
    let mut claims = Claims::default();
    for claim in of_pod(inputs, pod) {
        let Some(owners) = wanted_owners(claim, set, pod) else { continue };
        if has_other_controller(claim, set, pod) {
            let message = format!(
                "PersistentVolumeClaim {} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim",
                claim.metadata.name
            );
            claims.notes.push(Note::warning(reference_to(set), "ConflictingController", message));
        }
        if owners != claim.metadata.owner_references {
            let mut changed = claim.clone();
            changed.metadata.owner_references = owners;
            claims.actions.push(Action::replace(changed));
        }
    }
    claims
}

fn has_other_controller(claim: &PersistentVolumeClaim, set: &StatefulSet, pod: &Pod) -> bool {
    policy(set) != (RETAIN, RETAIN)
        && claim.metadata.owner_references.iter().any(|owner| {
            if names(owner, set) {
                owner.uid != set.metadata.uid
            } else if names(owner, pod) {
                owner.uid != pod.metadata.uid
            } else {
                owner.controller == Some(true)
            }
        })
}

/// The owners that a claim shall have; none when it is to be left alone.
fn wanted_owners(claim: &PersistentVolumeClaim, set: &StatefulSet, pod: &Pod) -> Option<Vec<OwnerReference>> {
    let owners = &claim.metadata.owner_references;
    // Of a set or pod of before: the garbage collector will see to it.
    if has_stale_owner(claim, set) || has_stale_owner(claim, pod) {
        return None;
    }
    let (mut others, mut ours) = (owners.clone(), Vec::new());
    others.retain(|owner| !names(owner, set) && !names(owner, pod));
    if has_other_controller(claim, set, pod) {
        return Some(others);
    }
    let gone = !ordinal_of(set, pod).is_some_and(|ordinal| ordinals(set).contains(&ordinal));
    match policy(set) {
        (DELETE, RETAIN) => ours.push(reference(set)),
        (_, DELETE) if gone => ours.push(reference(pod)),
        (DELETE, DELETE) => ours.push(reference(set)),
        _ => {}
    }
    // As they are, when only their order differs.
    let known = |owner: &OwnerReference| {
        owners.iter().any(|known| known.uid == owner.uid && known.controller == Some(true))
    };
    let same = owners.len() == others.len() + ours.len() && ours.iter().all(known);
    others.extend(ours);
    if same { None } else { Some(others) }
}
