//! The plugins, one file each, and the table that lists them in the order in which they are asked.

mod image_locality;
pub mod inter_pod_affinity;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
pub mod pod_topology_spread;
mod scheduling_gates;
mod taint_toleration;

use crate::framework::Plugin;

/// A plugin and what a profile gives it by default.
#[derive(Debug)]
pub struct Row {
    /// The plugin.
    pub plugin: &'static dyn Plugin,
    /// Weight of its scores.
    pub weight: i64,
}

/// Every plugin, with upstream's default weights and order.
pub fn all() -> &'static [Row] {
    const fn row(plugin: &'static dyn Plugin, weight: i64) -> Row {
        Row { plugin, weight }
    }
    static ALL: &[Row] = &[
        row(&scheduling_gates::SchedulingGates, 0),
        row(&node_unschedulable::NodeUnschedulable, 0),
        row(&node_name::NodeName, 0),
        row(&taint_toleration::TaintToleration, 3),
        row(&node_affinity::NodeAffinity, 2),
        row(&node_ports::NodePorts, 0),
        row(&node_resources_fit::NodeResourcesFit, 1),
        row(&pod_topology_spread::PodTopologySpread, 2),
        row(&inter_pod_affinity::InterPodAffinity, 2),
        row(&node_resources_balanced_allocation::NodeResourcesBalancedAllocation, 1),
        row(&image_locality::ImageLocality, 1),
    ];
    ALL
}
