//! NodeAffinity: node selectors and required node affinity must hold; preferred terms add weight.

use rules::core::v1::scheduling::term_matches;

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Verdict, normalize_by_maximum};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct NodeAffinity;

/// Names of the nodes that `metadata.name In […]` in every term leaves, or `None` when a term has no such rule.
fn names(pod: &PodInfo) -> Option<Vec<String>> {
    let terms = &pod.required_nodes.as_ref()?.node_selector_terms;
    let mut all = Vec::new();
    for term in terms {
        let mut of_term: Option<Vec<String>> = None;
        for rule in &term.match_fields {
            if rule.key == "metadata.name" && rule.operator == "In" {
                of_term = Some(match of_term {
                    None => rule.values.clone(),
                    Some(known) => known.into_iter().filter(|name| rule.values.contains(name)).collect(),
                });
            }
        }
        all.extend(of_term?);
    }
    if terms.is_empty() { None } else { Some(all) }
}

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn first_look(&self, context: Context<'_>, _: &mut CycleState) -> FirstLook {
        let pod = context.pod;
        if pod.node_selector.is_empty() && pod.required_nodes.is_none() {
            return FirstLook::Skip;
        }
        match names(pod) {
            Some(names) if names.is_empty() => {
                FirstLook::Reject(Verdict::unresolvable("pod affinity terms conflict"))
            }
            Some(names) => FirstLook::Only(names),
            None => FirstLook::Filter,
        }
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        if context.pod.allows_node(&node.labels, &node.name) {
            return Verdict::Fits;
        }
        Verdict::unresolvable("node(s) didn't match Pod's node affinity/selector")
    }

    fn before_score(&self, context: Context<'_>, _: &mut CycleState, _: &[&NodeInfo]) -> bool {
        !context.pod.preferred_nodes.is_empty()
    }

    fn score(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> i64 {
        context
            .pod
            .preferred_nodes
            .iter()
            .filter(|term| term.weight != 0 && term_matches(&term.preference, &node.labels, &node.name))
            .map(|term| i64::from(term.weight))
            .sum()
    }

    fn normalize(&self, _: Context<'_>, _: &CycleState, _: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_maximum(scores, false);
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => pod.allows_node(&node.labels, &node.name),
            ClusterEvent::NodeChanged(before, after) => {
                !pod.allows_node(&before.labels, &before.name) && pod.allows_node(&after.labels, &after.name)
            }
            ClusterEvent::PodChanged => true,
            _ => false,
        }
    }
}
