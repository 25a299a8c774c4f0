//! What the state of a namespace's content means: its conditions, and whether it may go.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::core::v1::{Namespace, NamespaceCondition};
use jiff::Timestamp;
use machinery::Time;

/// The finalizer this controller stands for.
pub(super) const FINALIZER: &str = "kubernetes";
/// How long objects held by finalizers are given, in seconds.
const FINALIZER_ESTIMATE: i64 = 15;

/// What remains of one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Remaining {
    /// Objects.
    pub count: usize,
    /// Objects held by each finalizer.
    pub finalizers: BTreeMap<String, usize>,
    /// Seconds the objects may still take by themselves.
    pub grace_seconds: i64,
}

/// What one round of deleting has shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observed {
    /// What kept resources from being discovered.
    pub discovery_error: Option<String>,
    /// Requests that failed.
    pub errors: Vec<String>,
    /// By plural name and group.
    pub remaining: BTreeMap<(String, String), Remaining>,
    /// Only pods were looked at, because some remain.
    pub pods_first: bool,
}

/// How to go on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Try again soon.
    Failed(String),
    /// Look again after this long.
    Wait(Duration),
    /// Nothing is left.
    Finalize,
}

/// Errors first, then what remains.
pub(super) fn verdict(observed: &Observed) -> Verdict {
    let mut errors: Vec<String> = observed.discovery_error.iter().chain(&observed.errors).cloned().collect();
    errors.extend(unexpected(observed));
    if !errors.is_empty() {
        return Verdict::Failed(errors.join(", "));
    }
    let estimates = observed.remaining.values().filter(|remaining| remaining.count > 0);
    match estimates.map(estimate).max() {
        None => Verdict::Finalize,
        Some(seconds) => Verdict::Wait(Duration::from_secs(u64::try_from(seconds / 2 + 1).unwrap_or(1))),
    }
}

fn estimate(remaining: &Remaining) -> i64 {
    if remaining.grace_seconds > 0 || remaining.finalizers.is_empty() {
        remaining.grace_seconds
    } else {
        FINALIZER_ESTIMATE
    }
}

/// Objects that remain although nothing holds them.
fn unexpected(observed: &Observed) -> Vec<String> {
    let held = |remaining: &Remaining| remaining.grace_seconds > 0 || !remaining.finalizers.is_empty();
    observed
        .remaining
        .iter()
        .filter(|(_, remaining)| remaining.count > 0 && !held(remaining))
        .map(|((plural, group), _)| {
            let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
            format!("unexpected items still remain in namespace for resource: {resource}")
        })
        .collect()
}

/// Brings the conditions up to date; whether anything changed.
pub(super) fn set_conditions(namespace: &mut Namespace, observed: &Observed, now: Timestamp) -> bool {
    let mut errors = observed.errors.clone();
    errors.extend(unexpected(observed));
    errors.sort();
    let content_failure = (!errors.is_empty()).then(|| {
        format!("Failed to delete all resource types, {} remaining: {}", errors.len(), errors.join(", "))
    });
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            observed.discovery_error.clone().map(|message| ("DiscoveryFailed", message)),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            content_failure.map(|message| ("ContentDeletionFailed", message)),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            content_remaining(observed).map(|message| ("SomeResourcesRemain", message)),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            finalizers_remaining(observed).map(|message| ("SomeFinalizersRemain", message)),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ];
    let mut changed = false;
    for (kind, problem, (fine_reason, fine_message)) in wanted {
        let condition = match problem {
            Some((reason, message)) => (kind, "True", reason, message),
            None => (kind, "False", fine_reason, fine_message.to_owned()),
        };
        changed |= set_condition(&mut namespace.status.conditions, condition, now);
    }
    changed
}

/// Upstream leaves the totals out while it waits for pods.
fn content_remaining(observed: &Observed) -> Option<String> {
    if observed.pods_first {
        return None;
    }
    let parts: Vec<String> = observed
        .remaining
        .iter()
        .filter(|(_, remaining)| remaining.count > 0)
        .map(|((plural, group), remaining)| {
            format!("{plural}.{group} has {} resource instances", remaining.count)
        })
        .collect();
    (!parts.is_empty()).then(|| format!("Some resources are remaining: {}", parts.join(", ")))
}

fn finalizers_remaining(observed: &Observed) -> Option<String> {
    if observed.pods_first {
        return None;
    }
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for (finalizer, count) in observed.remaining.values().flat_map(|remaining| &remaining.finalizers) {
        *totals.entry(finalizer).or_default() += count;
    }
    let parts: Vec<String> = totals
        .iter()
        .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
        .collect();
    (!parts.is_empty())
        .then(|| format!("Some content in the namespace has finalizers remaining: {}", parts.join(", ")))
}

fn set_condition(
    conditions: &mut Vec<NamespaceCondition>,
    (kind, status, reason, message): (&str, &str, &str, String),
    now: Timestamp,
) -> bool {
    let now = Time { nanos: 0, ..Time::from(now) };
    let Some(known) = conditions.iter_mut().find(|known| known.type_ == kind) else {
        conditions.push(NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            last_transition_time: now,
            reason: reason.to_owned(),
            message,
        });
        return true;
    };
    if (known.status.as_str(), known.reason.as_str(), &known.message) == (status, reason, &message) {
        return false;
    }
    if known.status != status {
        known.last_transition_time = now;
    }
    (known.status, known.reason, known.message) = (status.to_owned(), reason.to_owned(), message);
    true
}

/// The namespace without this controller's finalizer.
pub(super) fn finalized(mut namespace: Namespace) -> Namespace {
    namespace.spec.finalizers.retain(|finalizer| finalizer != FINALIZER);
    namespace
}
