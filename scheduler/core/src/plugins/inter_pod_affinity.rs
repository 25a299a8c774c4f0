//! InterPodAffinity: pods that must, or would rather, share a place with other pods, or keep away from them.
//!
//! A place is the set of nodes with one value of a term's topology key.

use std::collections::{BTreeMap, HashMap};

use crate::cluster::{Cluster, ClusterEvent};
use crate::framework::{Context, CycleState, FirstLook, MAX_NODE_SCORE, Plugin, Verdict};
use crate::node::NodeInfo;
use crate::pod::{PodInfo, PodTerm};

/// See the module.
#[derive(Debug)]
pub struct InterPodAffinity;

/// (topology key, value) → count or weight.
type Places = HashMap<(String, String), i64>;

/// What the plugin works out for one pod.
#[derive(Clone, Debug, Default)]
pub struct AffinityState {
    /// Places where running pods do not want this pod.
    unwelcome: Places,
    /// Places with pods that all required affinity terms want.
    wanted: Places,
    /// Places with pods that a required anti-affinity term avoids.
    avoided: Places,
    /// Scores of places.
    scores: Places,
}

fn count_place(places: &mut Places, key: &str, node: &NodeInfo, amount: i64) {
    let Some(value) = node.labels.get(key) else { return };
    let place = (key.to_owned(), value.clone());
    let count = places.entry(place.clone()).or_default();
    *count += amount;
    if *count == 0 {
        places.remove(&place);
    }
}

fn place_count(places: &Places, key: &str, node: &NodeInfo) -> Option<i64> {
    let value = node.labels.get(key)?;
    Some(places.get(&(key.to_owned(), value.clone())).copied().unwrap_or(0))
}

/// A pod counts for affinity only when every required term is about it.
fn all_match(terms: &[PodTerm], pod: &PodInfo, labels: &BTreeMap<String, String>) -> bool {
    !terms.is_empty() && terms.iter().all(|term| term.matches(pod, labels))
}

/// Counts `other`, on `node`, in the state of `pod`.
fn count_other(
    state: &mut AffinityState,
    pod: &PodInfo,
    other: &PodInfo,
    node: &NodeInfo,
    cluster: &Cluster,
    sign: i64,
) {
    if !other.affinity.required_anti.is_empty() {
        let labels = cluster.namespace_labels(&pod.namespace);
        for term in other.affinity.required_anti.iter().filter(|term| term.matches(pod, labels)) {
            count_place(&mut state.unwelcome, &term.topology_key, node, sign);
        }
    }
    let terms = &pod.affinity;
    if terms.required.is_empty() && terms.required_anti.is_empty() {
        return;
    }
    let labels = cluster.namespace_labels(&other.namespace);
    if all_match(&terms.required, other, labels) {
        for term in &terms.required {
            count_place(&mut state.wanted, &term.topology_key, node, sign);
        }
    }
    for term in terms.required_anti.iter().filter(|term| term.matches(other, labels)) {
        count_place(&mut state.avoided, &term.topology_key, node, sign);
    }
}

fn affinity_holds(state: &AffinityState, context: Context<'_>, node: &NodeInfo) -> bool {
    let terms = &context.pod.affinity.required;
    let mut everywhere = true;
    for term in terms {
        match place_count(&state.wanted, &term.topology_key, node) {
            None => return false,
            Some(count) => everywhere &= count > 0,
        }
    }
    // The first pod of a group that wants its own kind would otherwise wait for ever.
    let own = context.cluster.namespace_labels(&context.pod.namespace);
    everywhere || state.wanted.is_empty() && all_match(terms, context.pod, own)
}

fn score_other(state: &mut AffinityState, context: Context<'_>, other: &PodInfo, node: &NodeInfo) {
    let pod = context.pod;
    let labels = context.cluster.namespace_labels(&other.namespace);
    for (weight, term) in pod.affinity.preferred.iter().filter(|(_, term)| term.matches(other, labels)) {
        count_place(&mut state.scores, &term.topology_key, node, *weight);
    }
    for (weight, term) in pod.affinity.preferred_anti.iter().filter(|(_, term)| term.matches(other, labels)) {
        count_place(&mut state.scores, &term.topology_key, node, -weight);
    }
    if !other.has_affinity() {
        return;
    }
    let labels = context.cluster.namespace_labels(&pod.namespace);
    let hard = context.settings.hard_pod_affinity_weight;
    if hard > 0 {
        for term in other.affinity.required.iter().filter(|term| term.matches(pod, labels)) {
            count_place(&mut state.scores, &term.topology_key, node, hard);
        }
    }
    if context.settings.ignore_preferred_terms_of_existing_pods {
        return;
    }
    for (weight, term) in other.affinity.preferred.iter().filter(|(_, term)| term.matches(pod, labels)) {
        count_place(&mut state.scores, &term.topology_key, node, *weight);
    }
    for (weight, term) in other.affinity.preferred_anti.iter().filter(|(_, term)| term.matches(pod, labels)) {
        count_place(&mut state.scores, &term.topology_key, node, -weight);
    }
}

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn first_look(&self, context: Context<'_>, state: &mut CycleState) -> FirstLook {
        let (pod, cluster) = (context.pod, context.cluster);
        let own = !pod.affinity.required.is_empty() || !pod.affinity.required_anti.is_empty();
        let mut worked_out = AffinityState::default();
        for node in cluster.nodes() {
            if !own && node.with_required_anti_affinity == 0 {
                continue;
            }
            for other in &node.pods {
                count_other(&mut worked_out, pod, other, node, cluster, 1);
            }
        }
        if !own && worked_out.unwelcome.is_empty() {
            return FirstLook::Skip;
        }
        state.affinity = Some(worked_out);
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
        if let Some(worked_out) = &mut state.affinity {
            count_other(worked_out, context.pod, other, node, context.cluster, sign);
        }
    }

    fn filter(&self, context: Context<'_>, state: &CycleState, node: &NodeInfo) -> Verdict {
        let Some(worked_out) = &state.affinity else { return Verdict::Fits };
        if !affinity_holds(worked_out, context, node) {
            return Verdict::unresolvable("node(s) didn't match pod affinity rules");
        }
        let hits = |places: &Places, key: &str| place_count(places, key, node).is_some_and(|count| count > 0);
        let avoided = &context.pod.affinity.required_anti;
        if avoided.iter().any(|term| hits(&worked_out.avoided, &term.topology_key)) {
            return Verdict::unschedulable("node(s) didn't match pod anti-affinity rules");
        }
        let unwelcome = &worked_out.unwelcome;
        if unwelcome.iter().any(|((key, value), count)| *count > 0 && node.labels.get(key) == Some(value)) {
            return Verdict::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");
        }
        Verdict::Fits
    }

    fn before_score(&self, context: Context<'_>, state: &mut CycleState, _: &[&NodeInfo]) -> bool {
        let terms = &context.pod.affinity;
        let own = !terms.preferred.is_empty() || !terms.preferred_anti.is_empty();
        let mut worked_out = state.affinity.take().unwrap_or_default();
        worked_out.scores.clear();
        for node in context.cluster.nodes() {
            if !own && node.with_affinity == 0 {
                continue;
            }
            for other in node.pods.iter().filter(|other| own || other.has_affinity()) {
                score_other(&mut worked_out, context, other, node);
            }
        }
        let scores = !worked_out.scores.is_empty();
        state.affinity = Some(worked_out);
        scores
    }

    fn score(&self, _: Context<'_>, state: &CycleState, node: &NodeInfo) -> i64 {
        let places = state.affinity.iter().flat_map(|worked_out| &worked_out.scores);
        places.filter(|((key, value), _)| node.labels.get(key) == Some(value)).map(|(_, score)| score).sum()
    }

    fn normalize(&self, _: Context<'_>, _: &CycleState, _: &[&NodeInfo], scores: &mut [i64]) {
        let least = scores.iter().copied().min().unwrap_or(0);
        let most = scores.iter().copied().max().unwrap_or(0);
        for score in scores {
            *score = if most > least { (MAX_NODE_SCORE * (*score - least)) / (most - least) } else { 0 };
        }
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> bool {
        !matches!(event, ClusterEvent::NodeChanged(before, after) if before.labels == after.labels)
    }
}
