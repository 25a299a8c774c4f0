//! DefaultPreemption: which pods would have to go so that a more important one fits.
//!
//! Source: `pkg/scheduler/framework/preemption` and `plugins/defaultpreemption` of upstream.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cluster::{Budget, Cluster};
use crate::cycle::{NoFit, Prepared, filter_node, histogram, prepare};
use crate::framework::{Context, CycleState, Profile, Verdict};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// At least this many candidates are tried, or this share of the nodes, whichever is more.
const LEAST_CANDIDATES: usize = 100;
const LEAST_PERCENTAGE: usize = 10;

/// The outcome of looking for victims.
#[derive(Clone, Debug)]
pub enum Preemption {
    /// The pod gets the node when these pods are gone.
    Victims {
        /// Name of the node.
        node: String,
        /// Pods to delete, most important first.
        pods: Vec<Arc<PodInfo>>,
    },
    /// Nothing can be done; the text goes into the event.
    None(String),
}

#[derive(Clone, Debug)]
struct Candidate<'a> {
    node: &'a NodeInfo,
    victims: Vec<Arc<PodInfo>>,
    violations: usize,
}

/// Looks for the node where the least harm is done.
pub fn preempt(
    profile: &Profile,
    cluster: &Cluster,
    pod: &PodInfo,
    no_fit: &NoFit,
    offset: usize,
) -> Preemption {
    if let Some(reason) = not_eligible(cluster, pod) {
        return Preemption::None(format!("preemption: {reason}"));
    }
    let context = Context { pod, cluster, settings: &profile.settings };
    let known: Vec<&NodeInfo> = cluster.nodes().iter().filter(|node| node.known).collect();
    let mut verdicts: BTreeMap<&str, Verdict> = BTreeMap::new();
    let mut helpful = Vec::new();
    for node in &known {
        if matches!(no_fit.verdicts.get(&*node.name), Some(Verdict::Unschedulable(_))) {
            helpful.push(*node);
        } else {
            verdicts.insert(&node.name, Verdict::unresolvable("Preemption is not helpful for scheduling"));
        }
    }
    let prepared = match prepare(profile, context) {
        Ok(prepared) if !helpful.is_empty() => prepared,
        _ => return nothing(&verdicts, known.len()),
    };
    let most = LEAST_CANDIDATES.max(known.len() * LEAST_PERCENTAGE / 100);
    let mut candidates = Vec::new();
    for step in 0..helpful.len() {
        let node = helpful[(offset + step) % helpful.len()];
        match victims_on(&prepared, context, node) {
            Ok(candidate) => candidates.push(candidate),
            Err(verdict) => drop(verdicts.insert(&node.name, verdict)),
        }
        if candidates.len() >= most {
            break;
        }
    }
    match candidates.into_iter().min_by_key(harm) {
        Some(best) => Preemption::Victims { node: best.node.name.to_string(), pods: best.victims },
        None => nothing(&verdicts, known.len()),
    }
}

fn nothing(verdicts: &BTreeMap<&str, Verdict>, nodes: usize) -> Preemption {
    let reasons = histogram(verdicts.values());
    Preemption::None(format!("preemption: 0/{nodes} nodes are available: {reasons}."))
}

fn not_eligible(cluster: &Cluster, pod: &PodInfo) -> Option<&'static str> {
    if !pod.may_preempt {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let node = cluster.nominated_node(&pod.uid).and_then(|name| cluster.node(name))?;
    let going = node.pods.iter().any(|other| other.terminating && other.priority < pod.priority);
    going.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// Less harm sorts first: upstream's order of criteria.
fn harm(candidate: &Candidate<'_>) -> (usize, i32, i64, usize, Reverse<Option<Timestamp>>) {
    let victims = &candidate.victims;
    let highest = victims.iter().map(|pod| pod.priority).max().unwrap_or(i32::MIN);
    // Shifted, so that more victims of negative priority do not look better.
    let sum = victims.iter().map(|pod| i64::from(pod.priority) + i64::from(i32::MAX) + 1).sum();
    let earliest =
        victims.iter().filter(|pod| pod.priority == highest).map(|pod| pod.started).min().flatten();
    (candidate.violations, highest, sum, victims.len(), Reverse(earliest))
}

/// More important pods sort first: higher priority, then longer running.
fn importance(pod: &Arc<PodInfo>) -> (Reverse<i32>, bool, Option<Timestamp>) {
    (Reverse(pod.priority), pod.started.is_none(), pod.started)
}

/// Takes all less important pods away, then puts back as many as fit, those guarded by budgets first.
fn victims_on<'a>(
    prepared: &Prepared,
    context: Context<'_>,
    node: &'a NodeInfo,
) -> Result<Candidate<'a>, Verdict> {
    let mut trial = node.clone();
    let mut state = prepared.state.clone();
    let mut lower: Vec<Arc<PodInfo>> =
        node.pods.iter().filter(|other| other.priority < context.pod.priority).cloned().collect();
    if lower.is_empty() {
        return Err(Verdict::unresolvable("No preemption victims found for incoming pod"));
    }
    for other in &lower {
        change(prepared, context, &mut state, &mut trial, other, -1);
    }
    let (verdict, _) = filter_node(prepared, &state, context, &trial);
    if !verdict.fits() {
        return Err(verdict);
    }
    lower.sort_by_key(importance);
    let (guarded, free) = split_by_budgets(context.cluster, &lower);
    let mut candidate = Candidate { node, victims: Vec::new(), violations: 0 };
    for (other, is_guarded) in
        guarded.into_iter().map(|pod| (pod, true)).chain(free.into_iter().map(|pod| (pod, false)))
    {
        change(prepared, context, &mut state, &mut trial, &other, 1);
        if filter_node(prepared, &state, context, &trial).0.fits() {
            continue;
        }
        change(prepared, context, &mut state, &mut trial, &other, -1);
        candidate.victims.push(other);
        candidate.violations += usize::from(is_guarded);
    }
    candidate.victims.sort_by_key(importance);
    Ok(candidate)
}

fn change(
    prepared: &Prepared,
    context: Context<'_>,
    state: &mut CycleState,
    node: &mut NodeInfo,
    other: &Arc<PodInfo>,
    sign: i64,
) {
    if sign > 0 {
        node.add(other.clone());
    } else {
        node.remove(&other.uid);
    }
    for plugin in &prepared.filters {
        plugin.pod_changes(context, state, other, node, sign);
    }
}

type Pods = Vec<Arc<PodInfo>>;

/// Pods whose going would break a budget, and the others.
fn split_by_budgets(cluster: &Cluster, pods: &[Arc<PodInfo>]) -> (Pods, Pods) {
    let mut budgets: Vec<(&Budget, i32)> = cluster.budgets().map(|budget| (budget, budget.allowed)).collect();
    let (mut guarded, mut free) = (Vec::new(), Vec::new());
    for pod in pods {
        let mut breaks = false;
        for (budget, left) in &mut budgets {
            let concerns = budget.namespace == pod.namespace
                && !pod.labels.is_empty()
                && !budget.selector.is_empty()
                && budget.selector.matches(&pod.labels)
                && !budget.disrupted.contains(&pod.name);
            if concerns {
                *left -= 1;
                breaks |= *left < 0;
            }
        }
        if breaks { &mut guarded } else { &mut free }.push(pod.clone());
    }
    (guarded, free)
}
