//! One scheduling cycle: from a pod to the node it gets, or to the reasons why it gets none.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Profile, Verdict};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// Below this many feasible nodes the search goes on.
const LEAST_FEASIBLE_NODES: usize = 100;
/// Least share of the nodes, in percent, that is looked for.
const LEAST_PERCENTAGE: i64 = 5;

/// The outcome of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The pod gets this node.
    Place {
        /// Name of the node.
        node: String,
        /// How many nodes were looked at.
        evaluated: usize,
        /// How many of them fit.
        feasible: usize,
    },
    /// No node fits.
    NoFit(NoFit),
}

/// Why no node fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoFit {
    /// How many nodes there are.
    pub nodes: usize,
    /// What the first look said, when it rejected the pod outright.
    pub first_look: String,
    /// The verdict on each node.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Plugins that rejected the pod on some node: their hints decide when it is tried again.
    pub plugins: BTreeSet<&'static str>,
    /// What preemption said.
    pub preemption: String,
}

impl NoFit {
    /// Upstream's message of the `FailedScheduling` event and the `PodScheduled` condition.
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let mut message = format!("0/{} nodes are available:", self.nodes);
        if self.first_look.is_empty() {
            let reasons = histogram(self.verdicts.values());
            if !reasons.is_empty() {
                message.push_str(&format!(" {reasons}."));
            }
        } else {
            message.push_str(&format!(" {}.", self.first_look));
        }
        if !self.preemption.is_empty() {
            message.push_str(&format!(" {}", self.preemption));
        }
        message
    }
}

/// `1 Insufficient cpu, 2 Too many pods`: how often each reason was given, sorted as text.
pub fn histogram<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in verdicts.flat_map(Verdict::reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut texts: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}

/// The plugins that have something to say about one pod, and what they worked out.
#[derive(Debug)]
pub struct Prepared {
    /// State of the cycle.
    pub state: CycleState,
    /// Plugins to ask about each node.
    pub filters: Vec<&'static dyn Plugin>,
    /// The only nodes that can fit, if a plugin named them.
    pub only: Option<BTreeSet<String>>,
}

/// Runs the first look of every plugin.
pub fn prepare(profile: &Profile, context: Context<'_>) -> Result<Prepared, NoFit> {
    let mut prepared = Prepared { state: CycleState::default(), filters: Vec::new(), only: None };
    for (plugin, _) in &profile.plugins {
        match plugin.first_look(context, &mut prepared.state) {
            FirstLook::Skip => {}
            FirstLook::Filter => prepared.filters.push(*plugin),
            FirstLook::Only(names) => {
                prepared.filters.push(*plugin);
                let names: BTreeSet<String> = names.into_iter().collect();
                prepared.only = Some(match prepared.only.take() {
                    None => names,
                    Some(known) => known.intersection(&names).cloned().collect(),
                });
            }
            FirstLook::Reject(verdict) => {
                let nodes = context.cluster.nodes();
                return Err(NoFit {
                    nodes: nodes.len(),
                    first_look: verdict.reasons().join(", "),
                    verdicts: nodes.iter().map(|node| (node.name.to_string(), verdict.clone())).collect(),
                    plugins: BTreeSet::from([plugin.name()]),
                    preemption: String::new(),
                });
            }
        }
    }
    Ok(prepared)
}

/// Asks every filter about one node; the first that rejects it is named.
pub fn filter_node(
    prepared: &Prepared,
    state: &CycleState,
    context: Context<'_>,
    node: &NodeInfo,
) -> (Verdict, &'static str) {
    for plugin in &prepared.filters {
        let verdict = plugin.filter(context, state, node);
        if !verdict.fits() {
            return (verdict, plugin.name());
        }
    }
    (Verdict::Fits, "")
}

/// A node with pods of equal or higher priority that wait for it must fit with them and without them.
fn filter_with_nominated(
    prepared: &Prepared,
    context: Context<'_>,
    node: &NodeInfo,
) -> (Verdict, &'static str) {
    let pod = context.pod;
    let waiting: Vec<_> = context
        .cluster
        .nominated_to(&node.name)
        .filter(|other| other.priority >= pod.priority && other.uid != pod.uid)
        .collect();
    if !waiting.is_empty() {
        let (mut state, mut fuller) = (prepared.state.clone(), node.clone());
        for other in waiting {
            fuller.add(other.clone());
            for plugin in &prepared.filters {
                plugin.pod_changes(context, &mut state, other, &fuller, 1);
            }
        }
        let rejected = filter_node(prepared, &state, context, &fuller);
        if !rejected.0.fits() {
            return rejected;
        }
    }
    filter_node(prepared, &prepared.state, context, node)
}

/// How many feasible nodes end the search.
fn enough(profile: &Profile, nodes: usize) -> usize {
    if nodes < LEAST_FEASIBLE_NODES {
        return nodes;
    }
    let percentage = match profile.percentage_of_nodes_to_score {
        0 => (50 - nodes as i64 / 125).max(LEAST_PERCENTAGE),
        set => set.min(100),
    };
    (nodes * percentage as usize / 100).max(LEAST_FEASIBLE_NODES)
}

/// Finds the best node for the pod. `start` is where the search begins and is moved on, so that all nodes
/// get their turn; `pick` chooses among equals: given n, a number below n.
pub fn schedule(
    profile: &Profile,
    cluster: &Cluster,
    pod: &PodInfo,
    start: &mut usize,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Outcome {
    let context = Context { pod, cluster, settings: &profile.settings };
    let nodes = cluster.nodes();
    let mut prepared = match prepare(profile, context) {
        Ok(prepared) => prepared,
        Err(no_fit) => return Outcome::NoFit(no_fit),
    };
    let mut no_fit = NoFit::default();
    let mut feasible: Vec<&NodeInfo> = Vec::new();
    let mut evaluated = 0;
    // The node that its own preemption freed is tried first.
    let nominated = cluster.nominated_node(&pod.uid).and_then(|name| cluster.node(name));
    if let Some(node) = nominated.filter(|node| filter_with_nominated(&prepared, context, node).0.fits()) {
        evaluated += 1;
        feasible.push(node);
    }
    if feasible.is_empty() && !nodes.is_empty() {
        let wanted = enough(profile, nodes.len());
        let first = *start % nodes.len();
        for step in 0..nodes.len() {
            let node = &nodes[(first + step) % nodes.len()];
            evaluated += 1;
            if !node.known {
                continue;
            }
            if prepared.only.as_ref().is_some_and(|only| !only.contains(&*node.name)) {
                let verdict = Verdict::unresolvable("node(s) didn't match Pod's node affinity/selector");
                no_fit.verdicts.insert(node.name.to_string(), verdict);
                no_fit.plugins.insert("NodeAffinity");
                continue;
            }
            match filter_with_nominated(&prepared, context, node) {
                (Verdict::Fits, _) => feasible.push(node),
                (verdict, plugin) => {
                    no_fit.verdicts.insert(node.name.to_string(), verdict);
                    no_fit.plugins.insert(plugin);
                }
            }
            if feasible.len() >= wanted {
                break;
            }
        }
        *start = (first + evaluated) % nodes.len();
    }
    let best = match feasible.as_slice() {
        [] => {
            no_fit.nodes = nodes.iter().filter(|node| node.known).count();
            return Outcome::NoFit(no_fit);
        }
        [only] => only,
        _ => best_of(profile, context, &mut prepared.state, &feasible, pick),
    };
    Outcome::Place { node: best.name.to_string(), evaluated, feasible: feasible.len() }
}

/// The weighted sum of all plugins' scores for each feasible node.
pub fn total_scores(
    profile: &Profile,
    context: Context<'_>,
    state: &mut CycleState,
    feasible: &[&NodeInfo],
) -> Vec<i64> {
    let mut totals = vec![0i64; feasible.len()];
    let mut scores = Vec::with_capacity(feasible.len());
    for (plugin, weight) in &profile.plugins {
        if *weight == 0 || !plugin.before_score(context, state, feasible) {
            continue;
        }
        scores.clear();
        scores.extend(feasible.iter().map(|node| plugin.score(context, state, node)));
        plugin.normalize(context, state, feasible, &mut scores);
        for (total, score) in totals.iter_mut().zip(&scores) {
            *total += score * weight;
        }
    }
    totals
}

fn best_of<'a>(
    profile: &Profile,
    context: Context<'_>,
    state: &mut CycleState,
    feasible: &[&'a NodeInfo],
    pick: &mut dyn FnMut(usize) -> usize,
) -> &'a NodeInfo {
    let totals = total_scores(profile, context, state, feasible);
    let most = totals.iter().copied().max().unwrap_or(0);
    let best: Vec<usize> = (0..feasible.len()).filter(|&at| totals[at] == most).collect();
    feasible[best[pick(best.len()).min(best.len() - 1)]]
}
