//! What the caches know about Endpoints to mirror.

use std::sync::Arc;

use api_types::core::v1::{Endpoints, Service};
use api_types::discovery::v1::EndpointSlice;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::super::SERVICE_NAME;
use super::plan;

/// Index of slices by the Service they are for.
pub(super) const BY_SERVICE: &str = "service";

/// Index function of [`BY_SERVICE`].
pub(super) fn service_of(slice: &EndpointSlice) -> Vec<String> {
    let service = slice.metadata.labels.get(SERVICE_NAME);
    service.map(|service| format!("{}/{service}", slice.metadata.namespace)).into_iter().collect()
}

/// The controller: its caches.
pub(super) struct Mirrors {
    pub services: Store<Service>,
    pub endpoints: Store<Endpoints>,
    pub slices: Store<EndpointSlice>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub service: Option<Arc<Service>>,
    pub endpoints: Option<Arc<Endpoints>>,
    /// This controller's slices for the Service, by name.
    pub slices: Vec<Arc<EndpointSlice>>,
}

impl Controller for Mirrors {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let (service, endpoints) = (self.services.get(key), self.endpoints.get(key));
        let value = format!("{}/{}", key.namespace(), key.name());
        let mut slices = self.slices.by_index(BY_SERVICE, &value);
        slices.retain(|slice| plan::is_mirror(slice));
        slices.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Some(Inputs { service, endpoints, slices })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        plan::plan(inputs)
    }

    const MAX_FAILURES: Option<u32> = Some(15);
}
