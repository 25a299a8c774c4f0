//! NodeName: a pod that names its node fits only there.

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Verdict};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn first_look(&self, context: Context<'_>, _: &mut CycleState) -> FirstLook {
        if context.pod.node_name.is_empty() { FirstLook::Skip } else { FirstLook::Filter }
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        if context.pod.node_name == *node.name {
            return Verdict::Fits;
        }
        Verdict::unresolvable("node(s) didn't match the requested node name")
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        matches!(event, ClusterEvent::NodeAdded(node) if node.name == pod.node_name)
    }
}
