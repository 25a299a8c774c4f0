//! What the caches know about the endpoints of a Service.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{Node, Pod, Service};
use api_types::discovery::v1::EndpointSlice;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::super::members::selected;
use super::plan;
use crate::ownership::BY_OWNER_OR_ORPHAN;

/// The controller: its caches.
pub(super) struct EndpointSlices {
    pub services: Store<Service>,
    pub slices: Store<EndpointSlice>,
    pub nodes: Store<Node>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub service: Arc<Service>,
    /// Pods that the Service selects.
    pub pods: Vec<Arc<Pod>>,
    /// Slices that it owns.
    pub slices: Vec<Arc<EndpointSlice>>,
    /// Zones of the nodes that have one.
    pub zones: BTreeMap<String, String>,
}

impl Controller for EndpointSlices {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let service = self.services.get(key)?;
        let pods = selected(&service, &self.pods);
        let mut slices = self.slices.by_index(BY_OWNER_OR_ORPHAN, &service.metadata.uid);
        slices.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let mut zones = BTreeMap::new();
        for pod in &pods {
            let node = self.nodes.get_by("", &pod.spec.node_name);
            if let Some(zone) = node.and_then(|node| node.metadata.labels.get(plan::ZONE).cloned()) {
                zones.insert(pod.spec.node_name.clone(), zone);
            }
        }
        Some(Inputs { service, pods, slices, zones })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        plan::plan(inputs)
    }
}
