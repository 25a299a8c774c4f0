//! Decides what the status of a budget says.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use jiff::{SignedDuration, Timestamp};
use machinery::meta::v1::Condition;
use machinery::{IntOrString, Time};
use rules::core::v1::pod::meaning::is_ready;
use rules::scaling::scaled;
use runtime::plan::reference_to;
use runtime::{Action, Note, Plan};

use super::gather::{Inputs, Keeper};

/// A pod that was to be evicted must be seen going within this time, or it is taken for not disrupted.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_secs(120);
const ALLOWED: &str = "DisruptionAllowed";

/// Replaces the status when it differs; what is said is said with a change.
pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let budget = inputs.budget.as_ref();
    if budget.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let (disrupted, again) = disrupted(inputs, now);
    let mut notes = not_deleted(inputs, &disrupted);
    let status = match expected(inputs) {
        Err(error) => {
            let message = format!("Failed to calculate the number of expected pods: {error}");
            notes.push(Note::warning(reference_to(budget), "CalculateExpectedPodCountFailed", message));
            // Nothing may be evicted while it is not known what would be left.
            let mut status = PodDisruptionBudgetStatus { disruptions_allowed: 0, ..budget.status.clone() };
            set_condition(&mut status, false, "SyncFailed", error, now);
            status
        }
        Ok((expected, desired)) => {
            notes.extend(oddities(inputs));
            counted(inputs, expected, desired, disrupted, now)
        }
    };
    let mut plan = Plan::nothing();
    if status != budget.status {
        let mut changed = budget.clone();
        changed.status = status;
        plan = Plan { notes, ..Plan::of(vec![Action::replace_status(changed)]) };
    }
    match again {
        Some(delay) => plan.requeue_after(delay),
        None => plan,
    }
}

fn counted(
    inputs: &Inputs,
    expected: i32,
    desired: i32,
    disrupted: BTreeMap<String, Time>,
    now: Timestamp,
) -> PodDisruptionBudgetStatus {
    let budget = inputs.budget.as_ref();
    let healthy = inputs.pods.iter().filter(|(pod, _)| {
        pod.metadata.deletion_timestamp.is_none()
            && !disrupted.contains_key(&pod.metadata.name)
            && is_ready(pod)
    });
    let healthy = i32::try_from(healthy.count()).unwrap_or(i32::MAX);
    let spare = healthy.saturating_sub(desired).max(0);
    // A budget that selects nothing yet allows nothing: its first pods may come before this is seen.
    let allowed = if expected > 0 { spare } else { 0 };
    let mut status = PodDisruptionBudgetStatus {
        observed_generation: budget.metadata.generation,
        disrupted_pods: disrupted,
        disruptions_allowed: allowed,
        current_healthy: healthy,
        desired_healthy: desired,
        expected_pods: expected,
        conditions: budget.status.conditions.clone(),
    };
    let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
    set_condition(&mut status, allowed > 0, reason, String::new(), now);
    status
}

fn set_condition(
    status: &mut PodDisruptionBudgetStatus,
    allowed: bool,
    reason: &str,
    message: String,
    now: Timestamp,
) {
    let value = if allowed { "True" } else { "False" };
    let known = status.conditions.iter().position(|condition| condition.type_ == ALLOWED);
    let since = known.and_then(|place| status.conditions.get(place)).filter(|known| known.status == value);
    let new = Condition {
        type_: ALLOWED.to_owned(),
        status: value.to_owned(),
        observed_generation: status.observed_generation,
        last_transition_time: since.map_or(Time::from(now), |known| known.last_transition_time),
        reason: reason.to_owned(),
        message,
    };
    match known.and_then(|place| status.conditions.get_mut(place)) {
        Some(condition) => *condition = new,
        None => status.conditions.push(new),
    }
}

/// How many pods there should be, and how many of them must stay healthy.
fn expected(inputs: &Inputs) -> Result<(i32, i32), String> {
    let spec = &inputs.budget.spec;
    if let Some(most) = &spec.max_unavailable {
        let expected = scale(inputs)?;
        return Ok((expected, expected.saturating_sub(scaled(most, expected, true)?).max(0)));
    }
    match &spec.min_available {
        Some(IntOrString::Int(least)) => Ok((i32::try_from(inputs.pods.len()).unwrap_or(i32::MAX), *least)),
        Some(least) => {
            let expected = scale(inputs)?;
            Ok((expected, scaled(least, expected, true)?))
        }
        None => Ok((0, 0)),
    }
}

/// The pods that all keepers together shall keep.
fn scale(inputs: &Inputs) -> Result<i32, String> {
    let mut keepers: BTreeMap<&str, i32> = BTreeMap::new();
    for (_, keeper) in &inputs.pods {
        match keeper {
            Keeper::None => {}
            Keeper::Known(uid, count) => drop(keepers.insert(uid, *count)),
            Keeper::Unknown(error) => return Err(error.clone()),
        }
    }
    Ok(keepers.into_values().fold(0, i32::saturating_add))
}

/// Pods that are being evicted but are not seen going yet, and when the first of them is given up.
fn disrupted(inputs: &Inputs, now: Timestamp) -> (BTreeMap<String, Time>, Option<Duration>) {
    let listed = &inputs.budget.status.disrupted_pods;
    let (mut kept, mut again) = (BTreeMap::new(), None::<Duration>);
    for (pod, _) in &inputs.pods {
        let name = &pod.metadata.name;
        let Some(since) = listed.get(name).filter(|_| pod.metadata.deletion_timestamp.is_none()) else {
            continue;
        };
        let passed = since.to_timestamp().map_or(SignedDuration::MAX, |since| now.duration_since(since));
        if let Some(left) = DELETION_TIMEOUT.checked_sub(passed).filter(|left| left.is_positive()) {
            kept.insert(name.clone(), *since);
            let left = Duration::try_from(left).unwrap_or_default();
            again = Some(again.map_or(left, |again| again.min(left)));
        }
    }
    (kept, again)
}

fn not_deleted(inputs: &Inputs, kept: &BTreeMap<String, Time>) -> Vec<Note> {
    let budget = &inputs.budget;
    let expected =
        |name: &String| budget.status.disrupted_pods.contains_key(name) && !kept.contains_key(name);
    let stayed = inputs
        .pods
        .iter()
        .filter(|(pod, _)| pod.metadata.deletion_timestamp.is_none() && expected(&pod.metadata.name));
    let what = format!("{}/{}", budget.metadata.namespace, budget.metadata.name);
    let message = format!("Pod was expected by PDB {what} to be deleted but it wasn't");
    stayed.map(|(pod, _)| Note::warning(reference_to(pod.as_ref()), "NotDeleted", message.clone())).collect()
}

fn oddities(inputs: &Inputs) -> Vec<Note> {
    let budget: &PodDisruptionBudget = &inputs.budget;
    let mut notes = Vec::new();
    if inputs.pods.is_empty() {
        notes.push(Note::normal(reference_to(budget), "NoPods", "No matching pods found"));
    }
    let by_number = budget.spec.max_unavailable.is_none()
        && matches!(budget.spec.min_available, Some(IntOrString::Int(_)));
    if !by_number && inputs.pods.iter().any(|(_, keeper)| *keeper == Keeper::None) {
        let selector = rules::selector::shown(budget.spec.selector.as_deref());
        let message = format!(
            "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
        );
        notes.push(Note::warning(reference_to(budget), "UnmanagedPods", message));
    }
    notes
}
