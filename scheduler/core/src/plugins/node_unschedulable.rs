//! NodeUnschedulable: a cordoned node takes only pods that tolerate it.

use api_types::core::v1::Taint;
use rules::core::v1::scheduling::any_tolerates;

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Verdict};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct NodeUnschedulable;

fn tolerated(pod: &PodInfo) -> bool {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    any_tolerates(&pod.tolerations, &taint)
}

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn first_look(&self, _: Context<'_>, _: &mut CycleState) -> FirstLook {
        FirstLook::Filter
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        if node.unschedulable && !tolerated(context.pod) {
            return Verdict::unresolvable("node(s) were unschedulable");
        }
        Verdict::Fits
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) => !node.unschedulable,
            ClusterEvent::NodeChanged(before, after) => before.unschedulable && !after.unschedulable,
            ClusterEvent::PodChanged => true,
            _ => false,
        }
    }
}
