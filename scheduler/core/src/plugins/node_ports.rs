//! NodePorts: a host port is given to one pod of a node.

use crate::cluster::ClusterEvent;
use crate::framework::{Context, CycleState, FirstLook, Plugin, Verdict};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn first_look(&self, context: Context<'_>, _: &mut CycleState) -> FirstLook {
        if context.pod.host_ports.is_empty() { FirstLook::Skip } else { FirstLook::Filter }
    }

    fn filter(&self, context: Context<'_>, _: &CycleState, node: &NodeInfo) -> Verdict {
        let ports = &context.pod.host_ports;
        if ports.iter().any(|(address, protocol, port)| node.port_taken(address, protocol, *port)) {
            return Verdict::unschedulable("node(s) didn't have free ports for the requested pod ports");
        }
        Verdict::Fits
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::PodGone(gone) => gone
                .host_ports
                .iter()
                .any(|(_, protocol, port)| pod.host_ports.iter().any(|(_, p, n)| p == protocol && n == port)),
            _ => false,
        }
    }
}
