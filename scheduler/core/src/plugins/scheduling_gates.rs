//! SchedulingGates: a pod with gates is not tried.

use crate::cluster::ClusterEvent;
use crate::framework::Plugin;
use crate::pod::PodInfo;

/// See the module.
#[derive(Debug)]
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }

    fn gate(&self, pod: &PodInfo) -> Option<String> {
        if pod.gates.is_empty() {
            return None;
        }
        Some(format!("waiting for scheduling gates: [{}]", pod.gates.join(" ")))
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> bool {
        matches!(event, ClusterEvent::PodChanged) && pod.gates.is_empty()
    }
}
