//! What the caches know about the Endpoints of a Service.

use std::sync::Arc;

use api_types::core::v1::{Endpoints, Pod, Service};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::super::members::selected;
use super::plan;

/// The controller: its caches.
pub(super) struct EndpointsOfServices {
    pub services: Store<Service>,
    pub endpoints: Store<Endpoints>,
    pub pods: Store<Pod>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    /// None when it is gone.
    pub service: Option<Arc<Service>>,
    /// Pods that the Service selects.
    pub pods: Vec<Arc<Pod>>,
    /// The object of the Service's name.
    pub endpoints: Option<Arc<Endpoints>>,
}

impl Controller for EndpointsOfServices {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let service = self.services.get(key);
        let endpoints = self.endpoints.get(key);
        if service.is_none() && endpoints.is_none() {
            return None;
        }
        let pods = service.as_ref().map(|service| selected(service, &self.pods)).unwrap_or_default();
        Some(Inputs { service, pods, endpoints })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        plan::plan(inputs)
    }

    const MAX_FAILURES: Option<u32> = Some(15);
}
