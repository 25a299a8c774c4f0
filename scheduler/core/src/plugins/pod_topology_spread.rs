//! PodTopologySpread: keeps the pods of a group evenly over zones, hosts or other domains.

use std::collections::{BTreeMap, HashMap, HashSet};

use machinery::selectors::labels::Selector;
use rules::core::v1::scheduling::{first_untolerated, keeps_off};

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, MAX_NODE_SCORE, Plugin, Verdict};
use crate::node::NodeInfo;
use crate::pod::{PodInfo, SpreadConstraint};

const HOSTNAME: &str = "kubernetes.io/hostname";
const NOT_SPREAD: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// See the module.
#[derive(Debug)]
pub struct PodTopologySpread;

/// What the plugin works out for one pod.
#[derive(Clone, Debug, Default)]
pub struct SpreadState {
    /// Counts in each domain, one map a hard constraint.
    hard: Vec<HashMap<String, i64>>,
    /// Soft constraints: the pod's own, or the default ones.
    soft: Vec<SpreadConstraint>,
    /// Counts in each domain, one map a soft constraint; hosts are counted when they are scored.
    soft_counts: Vec<HashMap<String, i64>>,
    /// Weight of each soft constraint: more domains, more weight.
    weights: Vec<f64>,
    /// Nodes without the labels of all soft constraints.
    ignored: HashSet<String>,
}

/// True when pods on the node count for the constraint.
fn counts(constraint: &SpreadConstraint, pod: &PodInfo, node: &NodeInfo) -> bool {
    (!constraint.honor_affinity || pod.allows_node(&node.labels, &node.name))
        && (!constraint.honor_taints
            || first_untolerated(&node.taints, &pod.tolerations, keeps_off).is_none())
}

fn matching(node: &NodeInfo, selector: &Selector, namespace: &str) -> i64 {
    let pods = node.pods.iter().filter(|pod| !pod.terminating && pod.namespace == namespace);
    pods.filter(|pod| selector.matches(&pod.labels)).count() as i64
}

fn has_labels<'a>(
    constraints: impl IntoIterator<Item = &'a SpreadConstraint>,
    labels: &BTreeMap<String, String>,
) -> bool {
    constraints.into_iter().all(|constraint| labels.contains_key(&constraint.topology_key))
}

fn hard(pod: &PodInfo) -> impl Iterator<Item = &SpreadConstraint> {
    pod.spread.iter().filter(|constraint| constraint.hard)
}

/// The fewest pods in any domain; zero while there are fewer domains than wanted.
fn minimum(counts: &HashMap<String, i64>, constraint: &SpreadConstraint) -> i64 {
    if (counts.len() as i64) < constraint.min_domains {
        return 0;
    }
    counts.values().copied().min().unwrap_or(0)
}

/// Upstream's system defaults: hosts and zones, softly, for pods that belong to a Service or a controller.
fn default_constraints(context: Context<'_>) -> Vec<SpreadConstraint> {
    if !context.settings.system_default_spread {
        return Vec::new();
    }
    let mut selector: Option<Selector> = None;
    for more in context.cluster.selectors_of(context.pod) {
        selector = Some(match selector {
            None => more.clone(),
            Some(known) => known.and(more.requirements().iter().cloned()),
        });
    }
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else { return Vec::new() };
    [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)]
        .into_iter()
        .map(|(key, max_skew)| SpreadConstraint {
            max_skew,
            topology_key: key.to_owned(),
            hard: false,
            selector: selector.clone(),
            min_domains: 1,
            honor_affinity: true,
            honor_taints: false,
        })
        .collect()
}

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn first_look(&self, context: Context<'_>, state: &mut CycleState) -> FirstLook {
        let pod = context.pod;
        let constraints: Vec<&SpreadConstraint> = hard(pod).collect();
        if constraints.is_empty() {
            return FirstLook::Skip;
        }
        let mut worked_out =
            SpreadState { hard: vec![HashMap::new(); constraints.len()], ..SpreadState::default() };
        for node in context.cluster.nodes() {
            if !has_labels(constraints.iter().copied(), &node.labels) {
                continue;
            }
            for (constraint, domains) in constraints.iter().zip(&mut worked_out.hard) {
                if counts(constraint, pod, node) {
                    let value = &node.labels[&constraint.topology_key];
                    *domains.entry(value.clone()).or_default() +=
                        matching(node, &constraint.selector, &pod.namespace);
                }
            }
        }
        state.spread = Some(worked_out);
        FirstLook::Filter
    }

    fn pod_changes(
        &self,
        context: Context<'_>,
        state: &mut CycleState,
        other: &PodInfo,
        node: &NodeInfo,
        sign: i64,
    ) {
        let pod = context.pod;
        let Some(worked_out) = &mut state.spread else { return };
        if other.namespace != pod.namespace || other.terminating || !has_labels(hard(pod), &node.labels) {
            return;
        }
        for (constraint, domains) in hard(pod).zip(&mut worked_out.hard) {
            if counts(constraint, pod, node) && constraint.selector.matches(&other.labels) {
                *domains.entry(node.labels[&constraint.topology_key].clone()).or_default() += sign;
            }
        }
    }

    fn filter(&self, context: Context<'_>, state: &CycleState, node: &NodeInfo) -> Verdict {
        let Some(worked_out) = &state.spread else { return Verdict::Fits };
        for (constraint, domains) in hard(context.pod).zip(&worked_out.hard) {
            let Some(value) = node.labels.get(&constraint.topology_key) else {
                return Verdict::unresolvable(NO_LABEL);
            };
            let itself = i64::from(constraint.selector.matches(&context.pod.labels));
            let there = domains.get(value).copied().unwrap_or(0);
            if there + itself - minimum(domains, constraint) > constraint.max_skew {
                return Verdict::unschedulable(NOT_SPREAD);
            }
        }
        Verdict::Fits
    }

    fn before_score(&self, context: Context<'_>, state: &mut CycleState, feasible: &[&NodeInfo]) -> bool {
        let pod = context.pod;
        let own: Vec<SpreadConstraint> = pod.spread.iter().filter(|c| !c.hard).cloned().collect();
        let by_default = pod.spread.is_empty();
        let soft = if by_default { default_constraints(context) } else { own };
        if soft.is_empty() {
            return false;
        }
        let mut worked_out = state.spread.take().unwrap_or_default();
        worked_out.soft_counts = vec![HashMap::new(); soft.len()];
        // Default constraints take a node without a zone as it is.
        let all_labels = !by_default;
        for node in feasible {
            if all_labels && !has_labels(&soft, &node.labels) {
                worked_out.ignored.insert(node.name.to_string());
                continue;
            }
            for (constraint, domains) in soft.iter().zip(&mut worked_out.soft_counts) {
                if let (Some(value), true) =
                    (node.labels.get(&constraint.topology_key), constraint.topology_key != HOSTNAME)
                {
                    domains.entry(value.clone()).or_default();
                }
            }
        }
        let hosts = feasible.len() - worked_out.ignored.len();
        worked_out.weights = soft
            .iter()
            .zip(&worked_out.soft_counts)
            .map(|(constraint, domains)| {
                let size = if constraint.topology_key == HOSTNAME { hosts } else { domains.len() };
                ((size + 2) as f64).ln()
            })
            .collect();
        for node in context.cluster.nodes() {
            if all_labels && !has_labels(&soft, &node.labels) {
                continue;
            }
            for (constraint, domains) in soft.iter().zip(&mut worked_out.soft_counts) {
                let domain =
                    node.labels.get(&constraint.topology_key).and_then(|value| domains.get_mut(value));
                if let (Some(count), true) = (domain, counts(constraint, pod, node)) {
                    *count += matching(node, &constraint.selector, &pod.namespace);
                }
            }
        }
        worked_out.soft = soft;
        state.spread = Some(worked_out);
        true
    }

    fn score(&self, context: Context<'_>, state: &CycleState, node: &NodeInfo) -> i64 {
        let Some(worked_out) = &state.spread else { return 0 };
        if worked_out.ignored.contains(&*node.name) {
            return 0;
        }
        let mut score = 0.0;
        for (at, constraint) in worked_out.soft.iter().enumerate() {
            let Some(value) = node.labels.get(&constraint.topology_key) else { continue };
            let there = if constraint.topology_key == HOSTNAME {
                matching(node, &constraint.selector, &context.pod.namespace)
            } else {
                worked_out.soft_counts[at].get(value).copied().unwrap_or(0)
            };
            score += there as f64 * worked_out.weights[at] + (constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }

    fn normalize(&self, _: Context<'_>, state: &CycleState, nodes: &[&NodeInfo], scores: &mut [i64]) {
        let ignored = |at: usize| state.spread.as_ref().is_some_and(|s| s.ignored.contains(&*nodes[at].name));
        let counted = || scores.iter().enumerate().filter(|(at, _)| !ignored(*at)).map(|(_, score)| *score);
        let (least, most) = (counted().min().unwrap_or(0), counted().max().unwrap_or(0));
        for (at, score) in scores.iter_mut().enumerate() {
            *score = match most {
                _ if ignored(at) => 0,
                0 => MAX_NODE_SCORE,
                _ => MAX_NODE_SCORE * (most + least - *score) / most,
            };
        }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        let concerns = |other: &PodInfo| {
            other.namespace == pod.namespace && pod.spread.iter().any(|c| c.selector.matches(&other.labels))
        };
        match event {
            ClusterEvent::NodeAdded(node) => has_labels(&pod.spread, &node.labels),
            ClusterEvent::NodeChanged(before, after) => {
                before.labels != after.labels || before.taints != after.taints
            }
            ClusterEvent::PodPlaced(other) | ClusterEvent::PodGone(other) => concerns(other),
            ClusterEvent::PodChanged => true,
            ClusterEvent::NamespaceChanged => false,
        }
    }
}
