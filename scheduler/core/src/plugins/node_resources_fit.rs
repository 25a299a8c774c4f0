//! NodeResourcesFit: the pod's requests must fit into what is left of the node.

use std::borrow::Cow;

use crate::amounts::Amounts;
use crate::cluster::ClusterEvent;
use crate::framework::{
    Context, CycleState, FirstLook, FitStrategy, MAX_NODE_SCORE, Plugin, Reason, Verdict,
};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct NodeResourcesFit;

/// Reasons why the pod does not fit, and whether an empty node would take it.
fn shortages(asked: &Amounts, node: &NodeInfo) -> (Vec<Reason>, bool) {
    let mut reasons = Vec::new();
    let mut could = true;
    let (has, used) = (&node.allocatable, &node.requested);
    if node.pods.len() as i64 + 1 > has.pods {
        reasons.push(Cow::Borrowed("Too many pods"));
        could &= has.pods > 0;
    }
    let mut short = |reason: fn() -> Reason, asked: i64, has: i64, used: i64| {
        if asked > 0 && asked > has - used {
            reasons.push(reason());
            could &= asked <= has;
        }
    };
    short(|| Cow::Borrowed("Insufficient cpu"), asked.milli_cpu, has.milli_cpu, used.milli_cpu);
    short(|| Cow::Borrowed("Insufficient memory"), asked.memory, has.memory, used.memory);
    short(
        || Cow::Borrowed("Insufficient ephemeral-storage"),
        asked.ephemeral_storage,
        has.ephemeral_storage,
        used.ephemeral_storage,
    );
    for (name, asked) in &asked.scalars {
        let has = has.scalar(name);
        if *asked > 0 && *asked > has - used.scalar(name) {
            reasons.push(Cow::Owned(format!("Insufficient {name}")));
            could &= *asked <= has;
        }
    }
    (reasons, could)
}

/// What is taken of a resource on the node once the pod is there; CPU and memory with upstream's floors.
fn taken(context: Context<'_>, node: &NodeInfo, name: &str) -> i64 {
    match name {
        "cpu" => node.scored_cpu + context.pod.scored_cpu,
        "memory" => node.scored_memory + context.pod.scored_memory,
        _ => node.requested.get(name) + context.pod.requests.get(name),
    }
}

fn points(strategy: &FitStrategy, taken: i64, has: i64) -> i64 {
    match strategy {
        FitStrategy::LeastAllocated if taken > has => 0,
        FitStrategy::LeastAllocated => (has - taken) * MAX_NODE_SCORE / has,
        FitStrategy::MostAllocated => taken.min(has) * MAX_NODE_SCORE / has,
        FitStrategy::RequestedToCapacityRatio(shape) => {
            let utilization = if taken > has { 100 } else { 100 - (has - taken) * 100 / has };
            interpolate(shape, utilization)
        }
    }
}

/// The broken line through the points of `shape`, whose scores of 0 to 10 are stretched to 0 to 100.
fn interpolate(shape: &[(i64, i64)], utilization: i64) -> i64 {
    let stretch = MAX_NODE_SCORE / 10;
    for (at, (x, y)) in shape.iter().enumerate() {
        if utilization <= *x {
            let Some((x0, y0)) = at.checked_sub(1).map(|before| shape[before]) else { return y * stretch };
            return (y0 + (y - y0) * (utilization - x0) / (x - x0).max(1)) * stretch;
        }
    }
    shape.last().map_or(0, |(_, y)| y * stretch)
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn first_look(&self, _: Context<'_>, _: &mut CycleState) -> FirstLook {
        FirstLook::Filter
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        match shortages(&context.pod.requests, node) {
            (reasons, _) if reasons.is_empty() => Verdict::Fits,
            (reasons, true) => Verdict::Unschedulable(reasons),
            (reasons, false) => Verdict::Unresolvable(reasons),
        }
    }

    fn before_score(&self, _: Context<'_>, _: &mut CycleState, _: &[&NodeInfo]) -> bool {
        true
    }

    fn score(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for (name, weight) in &context.settings.fit_resources {
            let has = node.allocatable.get(name);
            let scalar = !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
            if has == 0 || scalar && context.pod.requests.get(name) == 0 {
                continue;
            }
            sum += weight * points(&context.settings.fit_strategy, taken(context, node, name), has);
            weights += weight;
        }
        if weights == 0 { 0 } else { sum / weights }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        let asked = &pod.requests;
        match event {
            ClusterEvent::NodeAdded(node) => fits_empty(asked, &node.allocatable),
            ClusterEvent::NodeChanged(before, after) => {
                fits_empty(asked, &after.allocatable) && grew(&before.allocatable, &after.allocatable)
            }
            ClusterEvent::PodGone(_) | ClusterEvent::PodChanged => true,
            _ => false,
        }
    }
}

fn fits_empty(asked: &Amounts, has: &Amounts) -> bool {
    let node = NodeInfo { allocatable: has.clone(), ..NodeInfo::default() };
    shortages(asked, &node).0.is_empty()
}

fn grew(before: &Amounts, after: &Amounts) -> bool {
    after.milli_cpu > before.milli_cpu
        || after.memory > before.memory
        || after.ephemeral_storage > before.ephemeral_storage
        || after.pods > before.pods
        || after.scalars.iter().any(|(name, amount)| *amount > before.scalar(name))
}
