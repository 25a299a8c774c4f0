//! Validation of what decides the node of a pod: selectors, affinity, tolerations, spread.

use super::options::PodRules;
use crate::{meta, report::Report};
use api_types::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm,
    PodSchedulingGate, PreferredSchedulingTerm, Toleration, TopologySpreadConstraint,
    WeightedPodAffinityTerm,
};
use machinery::{
    field::{ErrorList, Path},
    meta::v1::LabelSelector,
    names,
};
use std::collections::BTreeSet;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Effect of a taint or toleration.
pub fn validate_taint_effect(effect: &str, allow_empty: bool, path: &Path, errors: &mut ErrorList) {
    if effect.is_empty() {
        if !allow_empty {
            errors.required(path, "");
        }
    } else if !EFFECTS.contains(&effect) {
        errors.not_supported_in_order(path, effect, EFFECTS);
    }
}

/// Tolerations of a pod.
pub fn validate_tolerations(
    tolerations: &[Toleration],
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = path.index(index);
        let operator = toleration.operator.as_str();
        if !toleration.key.is_empty() {
            errors.invalid_each(
                &path.child("key"),
                &toleration.key,
                names::is_qualified_name(&toleration.key),
            );
        } else if operator != "Exists" {
            errors.invalid(
                &path.child("operator"),
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if toleration.toleration_seconds.is_some() && toleration.effect != "NoExecute" {
            errors.invalid(
                &path.child("effect"),
                &toleration.effect,
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            );
        }
        match operator {
            "" | "Equal" => {
                let messages = names::is_label_value(&toleration.value);
                if !messages.is_empty() {
                    errors.invalid(&path.child("operator"), &toleration.value, messages.join(";"));
                }
            }
            "Exists" => {
                if !toleration.value.is_empty() {
                    errors.invalid(
                        &path.child("operator"),
                        &toleration.value,
                        "value must be empty when `operator` is 'Exists'",
                    );
                }
            }
            "Lt" | "Gt" if rules.comparing_tolerations => {
                errors.invalid_each(
                    &path.child("value"),
                    &toleration.value,
                    names::is_decimal_integer(&toleration.value),
                );
                if toleration.value.parse::<i64>().is_err() {
                    let message = format!("strconv.ParseInt: parsing {:?}: invalid syntax", toleration.value);
                    errors.invalid(&path.child("value"), &toleration.value, message);
                }
            }
            "Lt" | "Gt" => errors.not_supported_in_order(
                &path.child("operator"),
                operator,
                &["Equal", "Exists", "Lt", "Gt"],
            ),
            _ => errors.not_supported_in_order(&path.child("operator"), operator, &["Equal", "Exists"]),
        }
        if !toleration.effect.is_empty() {
            validate_taint_effect(&toleration.effect, true, &path.child("effect"), errors);
        }
    }
}

/// Changed tolerations: old ones stay but for their seconds.
pub fn validate_added_tolerations(
    new: &[Toleration],
    old: &[Toleration],
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    let same = |old: &Toleration, new: &Toleration| {
        Toleration { toleration_seconds: new.toleration_seconds, ..old.clone() } == *new
    };
    if old.iter().any(|old| !new.iter().any(|new| same(old, new))) {
        errors.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
        return;
    }
    validate_tolerations(new, path, rules, errors);
}

/// Scheduling gates of a pod.
pub fn validate_gates(gates: &[PodSchedulingGate], path: &Path, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for (index, gate) in gates.iter().enumerate() {
        errors.invalid_each(&path.index(index), &gate.name, names::is_qualified_name(&gate.name));
        if !seen.insert(&gate.name) {
            errors.duplicate(&path.index(index), &gate.name);
        }
    }
}

/// Changed scheduling gates: they only ever go.
pub fn validate_removed_gates(
    new: &[PodSchedulingGate],
    old: &[PodSchedulingGate],
    path: &Path,
    errors: &mut ErrorList,
) {
    for (index, gate) in new.iter().enumerate() {
        if !old.iter().any(|old| old.name == gate.name) {
            let message = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.forbidden(&path.index(index).child("name"), message);
        }
    }
}

/// A node selector: at least one term.
pub fn validate_node_selector(
    selector: &NodeSelector,
    allow_bad_values: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let path = path.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        validate_node_selector_term(term, allow_bad_values, &path.index(index), errors);
    }
}

fn validate_node_selector_term(
    term: &NodeSelectorTerm,
    allow_bad_values: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    for (index, requirement) in term.match_expressions.iter().enumerate() {
        validate_expression(
            requirement,
            allow_bad_values,
            &path.child("matchExpressions").index(index),
            errors,
        );
    }
    for (index, requirement) in term.match_fields.iter().enumerate() {
        validate_field(requirement, &path.child("matchFields").index(index), errors);
    }
}

fn validate_expression(
    requirement: &NodeSelectorRequirement,
    allow_bad_values: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let values = &requirement.values;
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if values.is_empty() {
                errors
                    .required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                errors.forbidden(
                    &path.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                errors.required(
                    &path.child("values"),
                    "must be specified single value when `operator` is 'Lt' or 'Gt'",
                );
            }
        }
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    errors.invalid_each(&path.child("key"), &requirement.key, names::is_qualified_name(&requirement.key));
    if !allow_bad_values {
        for (index, value) in values.iter().enumerate() {
            errors.invalid_each(&path.child("values").index(index), value, names::is_label_value(value));
        }
    }
}

fn validate_field(requirement: &NodeSelectorRequirement, path: &Path, errors: &mut ErrorList) {
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if requirement.values.len() != 1 {
                errors.required(
                    &path.child("values"),
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                );
            }
        }
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    if requirement.key == "metadata.name" {
        for (index, value) in requirement.values.iter().enumerate() {
            errors.invalid_each(
                &path.child("values").index(index),
                value,
                names::name_is_dns_subdomain(value, false),
            );
        }
    } else {
        errors.invalid(&path.child("key"), &requirement.key, "not a valid field selector key");
    }
}

fn validate_preferred_nodes(terms: &[PreferredSchedulingTerm], path: &Path, errors: &mut ErrorList) {
    for (index, term) in terms.iter().enumerate() {
        let path = path.index(index);
        validate_weight(term.weight, &path, errors);
        validate_node_selector_term(&term.preference, true, &path.child("preference"), errors);
    }
}

fn validate_weight(weight: i32, path: &Path, errors: &mut ErrorList) {
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

fn validate_node_affinity(affinity: &NodeAffinity, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let path = path.child("requiredDuringSchedulingIgnoredDuringExecution");
        validate_node_selector(required, rules.bad_required_affinity_values, &path, errors);
    }
    let path = path.child("preferredDuringSchedulingIgnoredDuringExecution");
    validate_preferred_nodes(&affinity.preferred_during_scheduling_ignored_during_execution, &path, errors);
}

fn validate_pod_terms(
    required: &[PodAffinityTerm],
    preferred: &[WeightedPodAffinityTerm],
    rules: &PodRules,
    path: &Path,
    errors: &mut ErrorList,
) {
    for (index, term) in required.iter().enumerate() {
        validate_pod_term(
            term,
            rules,
            &path.child("requiredDuringSchedulingIgnoredDuringExecution").index(index),
            errors,
        );
    }
    for (index, weighted) in preferred.iter().enumerate() {
        let path = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(index);
        validate_weight(weighted.weight, &path, errors);
        validate_pod_term(&weighted.pod_affinity_term, rules, &path.child("podAffinityTerm"), errors);
    }
}

fn validate_pod_term(term: &PodAffinityTerm, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    for (field, selector) in
        [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)]
    {
        if let Some(selector) = selector {
            errors.extend(meta::validate_label_selector(
                selector,
                rules.bad_selector_values,
                &path.child(field),
            ));
        }
    }
    for name in &term.namespaces {
        errors.invalid_each(&path.child("namespace"), name, names::name_is_dns_label(name, false));
    }
    validate_label_keys(
        &term.match_label_keys,
        &term.mismatch_label_keys,
        term.label_selector.as_deref(),
        path,
        errors,
    );
    if term.topology_key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    errors.invalid_each(
        &path.child("topologyKey"),
        &term.topology_key,
        names::is_qualified_name(&term.topology_key),
    );
}

/// Label keys that select pods with the same or another value as the incoming pod.
fn validate_label_keys(
    matching: &[String],
    differing: &[String],
    selector: Option<&LabelSelector>,
    path: &Path,
    errors: &mut ErrorList,
) {
    for (field, keys) in [("matchLabelKeys", matching), ("mismatchLabelKeys", differing)] {
        let path = path.child(field);
        if keys.is_empty() {
            continue;
        }
        if selector.is_none() {
            errors.forbidden(&path, "must not be specified when labelSelector is not set");
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            errors.invalid_each(&path.index(index), key, names::is_qualified_name(key));
        }
    }
    if let Some(selector) = selector {
        // Each key of `matchLabelKeys` appears once as an expression, which the server itself appends.
        let mut seen: BTreeSet<&String> = selector.match_labels.keys().collect();
        for expression in &selector.match_expressions {
            let index = matching.iter().rposition(|key| *key == expression.key);
            if let Some(index) = index
                && seen.contains(&expression.key)
            {
                errors.invalid(
                    &path.index(index),
                    &expression.key,
                    "exists in both matchLabelKeys and labelSelector",
                );
            }
            seen.insert(&expression.key);
        }
    }
    for (index, key) in matching.iter().enumerate() {
        if differing.contains(key) {
            errors.invalid(
                &path.child("matchLabelKeys").index(index),
                key,
                "exists in both matchLabelKeys and mismatchLabelKeys",
            );
        }
    }
}

/// Affinity of a pod.
pub fn validate_affinity(affinity: &Affinity, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    if let Some(node) = &affinity.node_affinity {
        validate_node_affinity(node, rules, &path.child("nodeAffinity"), errors);
    }
    if let Some(pod) = &affinity.pod_affinity {
        let (required, preferred) = (
            &pod.required_during_scheduling_ignored_during_execution,
            &pod.preferred_during_scheduling_ignored_during_execution,
        );
        validate_pod_terms(required, preferred, rules, &path.child("podAffinity"), errors);
    }
    if let Some(pod) = &affinity.pod_anti_affinity {
        let (required, preferred) = (
            &pod.required_during_scheduling_ignored_during_execution,
            &pod.preferred_during_scheduling_ignored_during_execution,
        );
        validate_pod_terms(required, preferred, rules, &path.child("podAntiAffinity"), errors);
    }
}

/// Spread constraints of a pod.
pub fn validate_spread(
    constraints: &[TopologySpreadConstraint],
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let unsatisfiable = constraint.when_unsatisfiable.as_str();
        if constraint.max_skew <= 0 {
            errors.invalid(&path.child("maxSkew"), constraint.max_skew, "must be greater than zero");
        }
        if constraint.topology_key.is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        }
        if !matches!(unsatisfiable, "DoNotSchedule" | "ScheduleAnyway") {
            errors.not_supported(
                &path.child("whenUnsatisfiable"),
                unsatisfiable,
                &["DoNotSchedule", "ScheduleAnyway"],
            );
        }
        let repeats = |other: &TopologySpreadConstraint| {
            other.topology_key == constraint.topology_key
                && other.when_unsatisfiable == constraint.when_unsatisfiable
        };
        if constraints.iter().skip(index + 1).any(repeats) {
            let path = path.child("{topologyKey, whenUnsatisfiable}");
            errors.duplicate(&path, format!("{{{}, {unsatisfiable}}}", constraint.topology_key));
        }
        if let Some(domains) = constraint.min_domains {
            let path = path.child("minDomains");
            if domains <= 0 {
                errors.invalid(&path, domains, "must be greater than zero");
            }
            if unsatisfiable != "DoNotSchedule" {
                errors.invalid(
                    &path,
                    domains,
                    format!(
                        "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {unsatisfiable}"
                    ),
                );
            }
        }
        for (field, policy) in [
            ("nodeAffinityPolicy", &constraint.node_affinity_policy),
            ("nodeTaintsPolicy", &constraint.node_taints_policy),
        ] {
            if let Some(policy) = policy
                && !matches!(policy.as_str(), "Honor" | "Ignore")
            {
                errors.not_supported(&path.child(field), policy, &["Honor", "Ignore"]);
            }
        }
        if rules.bad_spread_keys {
            errors.extend(validate_spread_keys(constraint, &path.child("matchLabelKeys")));
        } else {
            validate_label_keys(
                &constraint.match_label_keys,
                &[],
                constraint.label_selector.as_deref(),
                &path,
                errors,
            );
        }
        if !rules.bad_spread_selectors
            && let Some(selector) = &constraint.label_selector
        {
            errors.extend(meta::validate_label_selector(selector, false, &path.child("labelSelector")));
        }
    }
}

/// Match label keys by the rule from before they were merged into the selector.
fn validate_spread_keys(constraint: &TopologySpreadConstraint, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if constraint.match_label_keys.is_empty() {
        return errors;
    }
    let mut keys = BTreeSet::new();
    match &constraint.label_selector {
        None => errors.forbidden(path, "must not be specified when labelSelector is not set"),
        Some(selector) => {
            keys.extend(selector.match_labels.keys());
            keys.extend(selector.match_expressions.iter().map(|expression| &expression.key));
        }
    }
    for (index, key) in constraint.match_label_keys.iter().enumerate() {
        errors.invalid_each(&path.index(index), key, names::is_qualified_name(key));
        if keys.contains(key) {
            errors.invalid(&path.index(index), key, "exists in both matchLabelKeys and labelSelector");
        }
    }
    errors
}

/// True when a stored constraint breaks today's rule for match label keys.
pub fn has_bad_spread_keys(constraint: &TopologySpreadConstraint) -> bool {
    let mut errors = ErrorList::new();
    validate_label_keys(
        &constraint.match_label_keys,
        &[],
        constraint.label_selector.as_deref(),
        &Path::new("constraint"),
        &mut errors,
    );
    !errors.is_empty()
}
