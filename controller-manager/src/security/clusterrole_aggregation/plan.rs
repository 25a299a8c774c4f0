//! Decides the rules of an aggregated role.

use api_types::rbac::v1::{ClusterRole, PolicyRule};
use machinery::selectors::labels::Selector;
use runtime::{Action, Plan};

use super::gather::Inputs;

pub(super) fn plan(inputs: &Inputs) -> Plan {
    let role = inputs.role.as_ref();
    let Some(aggregation) = role.aggregation_rule.as_deref() else { return Plan::nothing() };
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in &aggregation.cluster_role_selectors {
        let Ok(selector) = Selector::from_label_selector(Some(selector)) else { return Plan::nothing() };
        let mut chosen: Vec<&ClusterRole> = inputs
            .all
            .iter()
            .map(|other| other.as_ref())
            .filter(|other| {
                other.metadata.name != role.metadata.name && selector.matches(&other.metadata.labels)
            })
            .collect();
        // By name, so that the rules do not change places from one time to the next.
        chosen.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        for rule in chosen.into_iter().flat_map(|other| &other.rules) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    if rules == role.rules {
        return Plan::nothing();
    }
    let mut filled = role.clone();
    filled.rules = rules;
    Plan::of(vec![Action::replace(filled)])
}
