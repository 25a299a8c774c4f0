//! Rules are collected once and in one order.

use std::sync::Arc;

use api_types::rbac::v1::{AggregationRule, ClusterRole, PolicyRule};
use jiff::Timestamp;
use machinery::meta::v1::LabelSelector;
use runtime::Controller;

use super::gather::{Aggregation, Inputs};

fn role(name: &str, labelled: bool, verbs: &[&str]) -> ClusterRole {
    let mut role = ClusterRole::default();
    role.metadata.name = name.into();
    if labelled {
        role.metadata.labels.insert("aggregate".into(), "yes".into());
    }
    role.rules = verbs
        .iter()
        .map(|verb| PolicyRule { verbs: vec![(*verb).into()], ..PolicyRule::default() })
        .collect();
    role
}

fn aggregated() -> ClusterRole {
    let mut role = role("whole", true, &[]);
    let selector = LabelSelector {
        match_labels: [("aggregate".into(), "yes".into())].into(),
        ..LabelSelector::default()
    };
    role.aggregation_rule = Some(Box::new(AggregationRule { cluster_role_selectors: vec![selector] }));
    role
}

#[test]
fn rules_are_collected() {
    let parts =
        vec![role("b", true, &["list", "get"]), role("a", true, &["get"]), role("c", false, &["delete"])];
    let written = |role: ClusterRole, parts: Vec<ClusterRole>| {
        let all = parts.into_iter().chain([role.clone()]).map(Arc::new).collect();
        let plan = Aggregation::plan(&Inputs { role: Arc::new(role), all }, Timestamp::UNIX_EPOCH);
        plan.actions()
            .next()
            .and_then(|action| action.replaced::<ClusterRole>())
            .map(|(_, role)| role.clone())
    };
    let filled = written(aggregated(), parts.clone()).expect("written");
    let verbs: Vec<&str> = filled.rules.iter().map(|rule| rule.verbs[0].as_str()).collect();
    assert_eq!(verbs, ["get", "list"]);
    assert!(written(filled.clone(), parts.clone()).is_none());
    assert!(written(filled.clone(), parts.into_iter().rev().collect()).is_none());
    assert!(written(filled, vec![]).expect("written").rules.is_empty());
}
