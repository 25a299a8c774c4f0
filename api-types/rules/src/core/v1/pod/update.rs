//! What may change in a pod that exists: by update, status, resize, debugging and binding.

use super::{
    containers, meaning,
    options::PodRules,
    scheduling_validation,
    validation::{validate_annotations, validate_metadata_and_spec},
};
use crate::{
    meta,
    report::{NEGATIVE, Report},
};
use api_types::core::v1::{Binding, NodeAffinity, NodeSelectorTerm, Pod, PodSpec};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeMap;

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The rules a changed pod is judged by.
pub(super) fn rules(old: &Pod) -> PodRules {
    PodRules::for_pod_update(&old.spec, &old.metadata)
}

/// Annotations that are judged when they change.
pub(super) fn validate_annotation_changes(
    new: &Pod,
    old: &Pod,
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    let (now, before) = (&new.metadata.annotations, &old.metadata.annotations);
    for (key, value) in before.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
        let _ = value;
        if key.starts_with(super::security::APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in now.keys().filter(|key| !before.contains_key(*key)) {
        if key.starts_with(super::security::APP_ARMOR) {
            errors.forbidden(&path.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not add mirror pod annotation");
        }
    }
    validate_annotations(&new.metadata, &new.spec, path, rules, errors);
}

/// A changed pod.
pub fn validate(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    errors.extend(validate_metadata_and_spec(new, &rules));
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("spec");
    for (field, now, before) in [
        ("containers", &new.spec.containers, &old.spec.containers),
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ] {
        if now.len() != before.len() {
            errors.forbidden(&path.child(field), "pod updates may not add or remove containers");
            return errors;
        }
        for (index, container) in now.iter().enumerate() {
            let path = path.child(field).index(index);
            if container.image.is_empty() {
                errors.required(&path.child("image"), "");
            }
            containers::validate_image_padding(&container.image, &path, &mut errors);
        }
    }
    let deadline = path.child("activeDeadlineSeconds");
    match (new.spec.active_deadline_seconds, old.spec.active_deadline_seconds) {
        (Some(seconds), _) if !(0..=i64::from(i32::MAX)).contains(&seconds) => {
            errors.invalid_each(&deadline, seconds, names::is_in_range(seconds, 0, i64::from(i32::MAX)));
            return errors;
        }
        (Some(seconds), Some(before)) if before < seconds => {
            errors.invalid(&deadline, seconds, "must be less than or equal to previous value");
            return errors;
        }
        (None, Some(_)) => errors.invalid(
            &deadline,
            serde_json::Value::Null,
            "must not update from a positive integer to nil value",
        ),
        _ => {}
    }
    scheduling_validation::validate_added_tolerations(
        &new.spec.tolerations,
        &old.spec.tolerations,
        &path.child("tolerations"),
        &rules,
        &mut errors,
    );
    scheduling_validation::validate_removed_gates(
        &new.spec.scheduling_gates,
        &old.spec.scheduling_gates,
        &path.child("schedulingGates"),
        &mut errors,
    );
    if new.spec == old.spec {
        return errors;
    }
    let mut rest = without_updatable(&new.spec, &old.spec);
    if !old.spec.scheduling_gates.is_empty() {
        undo_gated_changes(&mut rest, &old.spec, &path, &mut errors);
    }
    if rest != old.spec {
        let difference = difference(&old.spec.to_value(), &rest.to_value());
        errors.forbidden(
            &path,
            format!("pod updates may not change fields other than {UPDATABLE}\n{difference}"),
        );
    }
    errors
}

/// The new spec with everything that updates may change put back.
fn without_updatable(new: &PodSpec, old: &PodSpec) -> PodSpec {
    let mut spec = new.clone();
    for (now, before) in
        [(&mut spec.containers, &old.containers), (&mut spec.init_containers, &old.init_containers)]
    {
        for (container, before) in now.iter_mut().zip(before) {
            container.image = before.image.clone();
        }
    }
    spec.active_deadline_seconds = old.active_deadline_seconds;
    spec.scheduling_gates = old.scheduling_gates.clone();
    spec.tolerations = old.tolerations.clone();
    if old.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0)
        && spec.termination_grace_period_seconds == Some(1)
    {
        spec.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    spec
}

/// Gated pods may still narrow where they run.
fn undo_gated_changes(spec: &mut PodSpec, old: &PodSpec, path: &Path, errors: &mut ErrorList) {
    if spec.node_selector != old.node_selector {
        if !old.node_selector.iter().all(|(key, value)| spec.node_selector.get(key) == Some(value)) {
            errors.invalid(
                &path.child("nodeSelector"),
                &spec.node_selector,
                "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
            );
        }
        spec.node_selector = old.node_selector.clone();
    }
    let before = old.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    let now = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    if before == now {
        return;
    }
    let path = path.child("affinity").child("nodeAffinity");
    validate_narrowed(now.as_deref(), before.as_deref(), &path, errors);
    match (&mut spec.affinity, before) {
        (None, before) => {
            spec.affinity = before.map(|before| {
                Box::new(api_types::core::v1::Affinity { node_affinity: Some(before), ..Default::default() })
            })
        }
        (Some(affinity), _)
            if old.affinity.is_none()
                && affinity.pod_affinity.is_none()
                && affinity.pod_anti_affinity.is_none() =>
        {
            spec.affinity = None;
        }
        (Some(affinity), before) => affinity.node_affinity = before,
    }
}

fn validate_narrowed(
    new: Option<&NodeAffinity>,
    old: Option<&NodeAffinity>,
    path: &Path,
    errors: &mut ErrorList,
) {
    let terms = |affinity: Option<&NodeAffinity>| -> Vec<NodeSelectorTerm> {
        let required = affinity
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        required.map(|required| required.node_selector_terms.clone()).unwrap_or_default()
    };
    let (now, before) = (terms(new), terms(old));
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    if before.is_empty() {
        return;
    }
    if now.len() != before.len() {
        let shown = serde_json::Value::Array(now.iter().map(Message::to_value).collect());
        errors.invalid(
            &path,
            shown,
            "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
        );
        return;
    }
    for (index, (now, before)) in now.iter().zip(&before).enumerate() {
        let was_empty = before.match_expressions.is_empty() && before.match_fields.is_empty();
        let is_empty = now.match_expressions.is_empty() && now.match_fields.is_empty();
        let only_added = now.match_expressions.starts_with(&before.match_expressions)
            && now.match_fields.starts_with(&before.match_fields);
        // An empty term selects nothing, so adding to it would widen it.
        if was_empty && !is_empty || !only_added {
            errors.invalid(
                &path.index(index),
                now.to_value(),
                "only additions are allowed (no mutations or deletions)",
            );
        }
    }
}

/// The fields that differ, one per line, with both values.
fn difference(old: &serde_json::Value, new: &serde_json::Value) -> String {
    fn walk(old: &serde_json::Value, new: &serde_json::Value, path: &str, lines: &mut Vec<String>) {
        use serde_json::Value;
        match (old, new) {
            (Value::Object(before), Value::Object(now)) => {
                let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
                for key in keys {
                    let nothing = Value::Null;
                    walk(
                        before.get(key).unwrap_or(&nothing),
                        now.get(key).unwrap_or(&nothing),
                        &format!("{path}.{key}"),
                        lines,
                    );
                }
            }
            (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
                for (index, (before, now)) in before.iter().zip(now).enumerate() {
                    walk(before, now, &format!("{path}[{index}]"), lines);
                }
            }
            (before, now) if before != now => {
                lines.push(format!("-\t{path}: {before}"));
                lines.push(format!("+\t{path}: {now}"));
            }
            _ => {}
        }
    }
    let mut lines = Vec::new();
    walk(old, new, "spec", &mut lines);
    lines.join("\n")
}

/// Added ephemeral containers.
pub fn validate_ephemeral_containers(new: &Pod, old: &Pod) -> ErrorList {
    let rules = rules(old);
    let metadata = Path::new("metadata");
    if meaning::is_mirror(old) {
        let mut errors = ErrorList::new();
        errors.forbidden(&Path::new(""), "static pods do not support ephemeral containers");
        return errors;
    }
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    errors.extend(validate_metadata_and_spec(new, &rules));
    validate_annotation_changes(new, old, &metadata.child("annotations"), &rules, &mut errors);
    let path = Path::new("spec").child("ephemeralContainers");
    let now: BTreeMap<&str, _> = new
        .spec
        .ephemeral_containers
        .iter()
        .map(|container| (container.ephemeral_container_common.name.as_str(), container))
        .collect();
    for before in &old.spec.ephemeral_containers {
        let name = &before.ephemeral_container_common.name;
        match now.get(name.as_str()) {
            None => errors
                .forbidden(&path, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(after) if *after != before => {
                let difference = difference(&before.to_value(), &after.to_value());
                errors.forbidden(
                    &path,
                    format!("existing ephemeral containers {name:?} may not be changed\n{difference}"),
                );
            }
            Some(_) => {}
        }
    }
    errors
}

/// A binding of a pod to a node.
pub fn validate_binding(binding: &Binding) -> ErrorList {
    let mut errors = ErrorList::new();
    let target = &binding.target;
    if !matches!(target.kind.as_str(), "" | "Node") {
        errors.not_supported_in_order(&Path::of(&["target", "kind"]), &target.kind, &["Node", "<empty>"]);
    }
    if target.name.is_empty() {
        errors.required(&Path::of(&["target", "name"]), "");
    }
    errors
}

/// Options of a log request.
pub fn validate_log_options(options: &api_types::core::v1::PodLogOptions) -> ErrorList {
    let mut errors = ErrorList::new();
    if let Some(lines) = options.tail_lines.filter(|lines| *lines < 0) {
        errors.invalid(&Path::new("tailLines"), lines, NEGATIVE);
    }
    if let Some(bytes) = options.limit_bytes.filter(|bytes| *bytes < 1) {
        errors.invalid(&Path::new("limitBytes"), bytes, "must be greater than 0");
    }
    match options.since_seconds {
        Some(_) if options.since_time.is_some() => {
            errors.forbidden(&Path::new(""), "at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        Some(seconds) if seconds < 1 => {
            errors.invalid(&Path::new("sinceSeconds"), seconds, "must be greater than 0")
        }
        _ => {}
    }
    if options.stream.is_some() {
        errors.forbidden(&Path::new("stream"), "may not be specified");
    }
    errors
}
