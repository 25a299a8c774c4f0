//! Which node a pod may run on: taints and tolerations, node selectors and node affinity.
//!
//! Source: `k8s.io/api/core/v1/toleration.go`, `k8s.io/component-helpers/scheduling/corev1`.

use api_types::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration,
};
use std::collections::BTreeMap;

/// True when the toleration covers the taint. `Lt` and `Gt` compare only when `comparison_operators` is on.
pub fn tolerates(toleration: &Toleration, taint: &Taint, comparison_operators: bool) -> bool {
    if !toleration.effect.is_empty() && toleration.effect != taint.effect {
        return false;
    }
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    match toleration.operator.as_str() {
        "" | "Equal" => toleration.value == taint.value,
        "Exists" => true,
        operator @ ("Lt" | "Gt") if comparison_operators => {
            let (Some(wanted), Some(actual)) = (decimal(&toleration.value), decimal(&taint.value)) else {
                return false;
            };
            if operator == "Lt" { actual < wanted } else { actual > wanted }
        }
        _ => false,
    }
}

/// An integer without leading zeros, plus sign or minus zero.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > 1 && digits.starts_with('0') || text == "-0" || digits.starts_with('+') {
        return None;
    }
    text.parse().ok()
}

/// True when any of the tolerations covers the taint.
pub fn any_tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| tolerates(toleration, taint, false))
}

/// The first taint which `relevant` selects and no toleration covers.
pub fn first_untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    relevant: impl Fn(&Taint) -> bool,
) -> Option<&'a Taint> {
    taints.iter().filter(|taint| relevant(taint)).find(|taint| !any_tolerates(tolerations, taint))
}

/// True for taints that keep new pods off a node.
pub fn keeps_off(taint: &Taint) -> bool {
    taint.effect == "NoSchedule" || taint.effect == "NoExecute"
}

/// True when the labels meet one requirement of a node selector; an ill-formed requirement matches nothing.
pub fn requirement_matches(requirement: &NodeSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| requirement.values.contains(value)),
        "NotIn" => value.is_none_or(|value| !requirement.values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        operator @ ("Gt" | "Lt") => {
            let (Some(value), [bound]) = (value, requirement.values.as_slice()) else { return false };
            let (Ok(value), Ok(bound)) = (value.parse::<i64>(), bound.parse::<i64>()) else { return false };
            if operator == "Gt" { value > bound } else { value < bound }
        }
        _ => false,
    }
}

fn field_matches(requirement: &NodeSelectorRequirement, node_name: &str) -> bool {
    let [value] = requirement.values.as_slice() else { return false };
    let actual = if requirement.key == "metadata.name" { node_name } else { "" };
    match requirement.operator.as_str() {
        "In" => actual == value,
        "NotIn" => actual != value,
        _ => false,
    }
}

/// True when the term selects a node with these labels and this name; an empty term selects nothing.
pub fn term_matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, node_name: &str) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    term.match_expressions.iter().all(|requirement| requirement_matches(requirement, labels))
        && (node_name.is_empty()
            || term.match_fields.iter().all(|requirement| field_matches(requirement, node_name)))
}

/// True when any term selects the node.
pub fn selector_matches(selector: &NodeSelector, labels: &BTreeMap<String, String>, node_name: &str) -> bool {
    selector.node_selector_terms.iter().any(|term| term_matches(term, labels, node_name))
}

/// True when the pod's node selector and required node affinity allow the node.
pub fn node_allowed(pod: &Pod, node: &Node) -> bool {
    node_allowed_by(pod, &node.metadata.labels, &node.metadata.name)
}

/// [`node_allowed`] with only the node's labels and name at hand.
pub fn node_allowed_by(pod: &Pod, labels: &BTreeMap<String, String>, node_name: &str) -> bool {
    if !pod.spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let required = pod
        .spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|selector| selector_matches(selector, labels, node_name))
}

/// Priority of a pod; pods from before priorities have zero.
pub fn priority(pod: &Pod) -> i32 {
    pod.spec.priority.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
        Toleration {
            key: key.into(),
            operator: operator.into(),
            value: value.into(),
            effect: effect.into(),
            ..Default::default()
        }
    }

    fn taint(key: &str, value: &str, effect: &str) -> Taint {
        Taint { key: key.into(), value: value.into(), effect: effect.into(), ..Default::default() }
    }

    #[test]
    fn tolerations() {
        let cases = [
            (toleration("", "Exists", "", ""), taint("a", "b", "NoSchedule"), true),
            (toleration("a", "Exists", "", "NoExecute"), taint("a", "b", "NoSchedule"), false),
            (toleration("a", "", "b", ""), taint("a", "b", "NoSchedule"), true),
            (toleration("a", "Equal", "c", ""), taint("a", "b", "NoSchedule"), false),
            (toleration("b", "Exists", "", ""), taint("a", "", "NoSchedule"), false),
            (toleration("a", "Gt", "5", ""), taint("a", "9", "NoSchedule"), true),
            (toleration("a", "Lt", "5", ""), taint("a", "9", "NoSchedule"), false),
            (toleration("a", "Gt", "05", ""), taint("a", "9", "NoSchedule"), false),
        ];
        for (toleration, taint, expected) in cases {
            assert_eq!(tolerates(&toleration, &taint, true), expected, "{toleration:?} {taint:?}");
        }
        assert!(
            !tolerates(&toleration("a", "Gt", "5", ""), &taint("a", "9", ""), false),
            "comparison is off"
        );
    }

    #[test]
    fn requirements() {
        let labels =
            BTreeMap::from([("zone".to_owned(), "a".to_owned()), ("cores".to_owned(), "8".to_owned())]);
        let cases = [
            ("zone", "In", vec!["a", "b"], true),
            ("zone", "NotIn", vec!["a"], false),
            ("disk", "NotIn", vec!["ssd"], true),
            ("disk", "Exists", vec![], false),
            ("disk", "DoesNotExist", vec![], true),
            ("cores", "Gt", vec!["4"], true),
            ("cores", "Lt", vec!["8"], false),
            ("zone", "Gt", vec!["1"], false),
            ("zone", "Like", vec!["a"], false),
        ];
        for (key, operator, values, expected) in cases {
            let requirement = NodeSelectorRequirement {
                key: key.into(),
                operator: operator.into(),
                values: values.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(requirement_matches(&requirement, &labels), expected, "{requirement:?}");
        }
        assert!(!term_matches(&NodeSelectorTerm::default(), &labels, "n"), "an empty term selects nothing");
    }
}
