//! What a namespace's pods would be told when it becomes stricter.

use std::collections::{BTreeMap, BTreeSet};

use api_types::core::v1::Pod;
use machinery::quote::go_quote;

use super::checks::{evaluate, reasons};
use super::levels::Standard;
use super::subject::Subject;

/// How many pods are looked at.
const MOST: usize = 3000;

/// Warnings about pods that break `standard`; `is_over` says when there is no more time.
pub(super) fn warnings(
    namespace: &str,
    standard: Standard,
    pods: &[Pod],
    exempt_classes: &[String],
    is_over: impl Fn() -> bool,
) -> Vec<String> {
    let ordered = most_telling_first(pods, exempt_classes);
    let mut checked = ordered.len().min(MOST);
    // Pods by what is wrong with them: the first name, and how many.
    let mut broken: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for (index, pod) in ordered.iter().take(MOST).enumerate() {
        let findings =
            evaluate(standard, Subject { annotations: &pod.metadata.annotations, spec: &pod.spec });
        if !findings.is_empty() {
            let name = pod.metadata.name.as_str();
            let (first, count) = broken.entry(reasons(&findings)).or_insert((name, 0));
            *first = name.min(first);
            *count += 1;
        }
        if is_over() {
            checked = index + 1;
            break;
        }
    }
    let total = ordered.len();
    let partly = (checked < total).then(|| {
        format!(
            "new PodSecurity enforce level only checked against the first {checked} of {total} existing pods"
        )
    });
    let head = (!broken.is_empty()).then(|| {
        format!(
            "existing pods in namespace {} violate the new PodSecurity enforce level {}",
            go_quote(namespace),
            go_quote(&standard.to_string())
        )
    });
    let mut lines: Vec<String> = broken
        .into_iter()
        .map(|(reasons, (name, count))| match count {
            1 => format!("{name}: {reasons}"),
            2 => format!("{name} (and 1 other pod): {reasons}"),
            _ => format!("{name} (and {} other pods): {reasons}", count - 1),
        })
        .collect();
    lines.sort();
    partly.into_iter().chain(head).chain(lines).collect()
}

/// One pod of each controller first, the others of its making last.
fn most_telling_first<'a>(pods: &'a [Pod], exempt_classes: &[String]) -> Vec<&'a Pod> {
    let mut seen = BTreeSet::new();
    let judged =
        pods.iter().filter(|pod| !is_exempt_class(pod.spec.runtime_class_name.as_deref(), exempt_classes));
    let (mut first, rest): (Vec<&Pod>, Vec<&Pod>) = judged.partition(|pod| {
        let owners = &pod.metadata.owner_references;
        let controller = owners.iter().find(|owner| owner.controller == Some(true));
        controller.is_none_or(|controller| seen.insert(controller.uid.as_str()))
    });
    first.extend(rest);
    first
}

/// Whether pods of the runtime class are left alone.
pub(super) fn is_exempt_class(class: Option<&str>, exempt: &[String]) -> bool {
    class.is_some_and(|class| !class.is_empty() && exempt.iter().any(|known| known == class))
}
