//! TaintToleration: keeps pods off nodes whose taints they do not tolerate, and prefers nodes with
//! fewer such soft taints.

use api_types::core::v1::Taint;
use rules::core::v1::scheduling::{any_tolerates, first_untolerated, keeps_off};

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Verdict, normalize_by_maximum};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct TaintToleration;

fn tolerates_all(pod: &PodInfo, taints: &[Taint]) -> bool {
    first_untolerated(taints, &pod.tolerations, keeps_off).is_none()
}

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn first_look(&self, _: Context<'_>, _: &mut CycleState) -> FirstLook {
        FirstLook::Filter
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        if tolerates_all(context.pod, &node.taints) {
            return Verdict::Fits;
        }
        Verdict::unresolvable("node(s) had untolerated taint(s)")
    }

    fn before_score(&self, _: Context<'_>, _: &mut CycleState, _: &[&NodeInfo]) -> bool {
        true
    }

    fn score(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> i64 {
        let soft = node.taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
        soft.filter(|taint| {
            let relevant = context
                .pod
                .tolerations
                .iter()
                .filter(|t| t.effect.is_empty() || t.effect == "PreferNoSchedule");
            !any_tolerates(&relevant.cloned().collect::<Vec<_>>(), taint)
        })
        .count() as i64
    }

    fn normalize(&self, _: Context<'_>, _: &CycleState, _: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_maximum(scores, true);
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => tolerates_all(pod, &node.taints),
            ClusterEvent::NodeChanged(before, after) => {
                !tolerates_all(pod, &before.taints) && tolerates_all(pod, &after.taints)
            }
            ClusterEvent::PodChanged => true,
            _ => false,
        }
    }
}
