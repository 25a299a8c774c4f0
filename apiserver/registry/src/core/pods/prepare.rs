//! What the server itself writes into pods.

use api_types::core::v1::{Pod, PodAffinityTerm, PodCondition};
use machinery::meta::v1::{LabelSelector, LabelSelectorRequirement};
use rules::core::v1::pod::{containers, fields, meaning, qos, security};
use std::collections::BTreeMap;

/// A new pod: pending, with its class, and with label keys turned into selectors.
pub fn for_create(pod: &mut Pod, now: jiff::Timestamp) {
    fields::align(pod);
    pod.metadata.generation = 1;
    let class = qos::class(pod).to_owned();
    pod.status = Default::default();
    pod.status.phase = "Pending".to_owned();
    pod.status.qos_class = class;
    fields::drop_disabled(&mut pod.spec, None);
    if !pod.spec.scheduling_gates.is_empty() {
        let gated = PodCondition {
            type_: "PodScheduled".to_owned(),
            status: "False".to_owned(),
            reason: "SchedulingGated".to_owned(),
            message: "Scheduling is blocked due to non-empty scheduling gates".to_owned(),
            ..Default::default()
        };
        meaning::set_condition(&mut pod.status, gated, now);
    }
    merge_label_keys(pod);
    app_armor_from_annotations(pod);
}

/// The generation counts changes of the spec.
pub fn raise_generation(new: &mut Pod, old: &Pod) {
    if new.spec != old.spec {
        new.metadata.generation = old.metadata.generation + 1;
    }
}

fn extend(selector: &mut LabelSelector, keys: &[String], operator: &str, labels: &BTreeMap<String, String>) {
    for (key, value) in keys.iter().filter_map(|key| labels.get(key).map(|value| (key, value))) {
        selector.match_expressions.push(LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.to_owned(),
            values: vec![value.clone()],
        });
    }
}

fn extend_term(term: &mut PodAffinityTerm, labels: &BTreeMap<String, String>) {
    // Without a selector the term matches nothing, whatever the keys say.
    if let Some(selector) = &mut term.label_selector {
        extend(selector, &term.match_label_keys, "In", labels);
        extend(selector, &term.mismatch_label_keys, "NotIn", labels);
    }
}

fn merge_label_keys(pod: &mut Pod) {
    let labels = &pod.metadata.labels;
    if let Some(affinity) = &mut pod.spec.affinity {
        if let Some(pods) = &mut affinity.pod_affinity {
            pods.preferred_during_scheduling_ignored_during_execution
                .iter_mut()
                .for_each(|weighted| extend_term(&mut weighted.pod_affinity_term, labels));
            pods.required_during_scheduling_ignored_during_execution
                .iter_mut()
                .for_each(|term| extend_term(term, labels));
        }
        if let Some(pods) = &mut affinity.pod_anti_affinity {
            pods.preferred_during_scheduling_ignored_during_execution
                .iter_mut()
                .for_each(|weighted| extend_term(&mut weighted.pod_affinity_term, labels));
            pods.required_during_scheduling_ignored_during_execution
                .iter_mut()
                .for_each(|term| extend_term(term, labels));
        }
    }
    for constraint in &mut pod.spec.topology_spread_constraints {
        if let Some(selector) = &mut constraint.label_selector {
            extend(selector, &constraint.match_label_keys, "In", labels);
        }
    }
}

/// Profiles that old clients still ask for by annotation become fields.
fn app_armor_from_annotations(pod: &mut Pod) {
    if pod.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = pod.spec.security_context.as_ref().and_then(|context| context.app_armor_profile.clone());
    let names: Vec<String> = containers::each(&pod.spec, &machinery::field::Path::new("spec"))
        .into_iter()
        .map(|(container, _)| container.name.clone())
        .collect();
    for name in names {
        let Some(annotation) = pod.metadata.annotations.get(&format!("{}{name}", security::APP_ARMOR)) else {
            continue;
        };
        let Some(profile) = security::app_armor_from_annotation(annotation) else { continue };
        if of_pod.as_deref() == Some(&profile) {
            continue;
        }
        let spec = &mut pod.spec;
        if let Some(container) = spec
            .init_containers
            .iter_mut()
            .chain(&mut spec.containers)
            .find(|container| container.name == name)
        {
            container
                .security_context
                .get_or_insert_default()
                .app_armor_profile
                .get_or_insert_with(|| Box::new(profile));
        }
    }
}
