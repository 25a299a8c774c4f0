//! What the caches know about ServiceCIDRs.

use std::sync::Arc;

use api_types::networking::v1::{IPAddress, ServiceCIDR};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::plan;

/// The controller: its caches.
pub(super) struct ServiceCidrs {
    pub ranges: Store<ServiceCIDR>,
    pub addresses: Store<IPAddress>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub range: Arc<ServiceCIDR>,
    /// All others.
    pub others: Vec<Arc<ServiceCIDR>>,
    /// Addresses of Services; looked up only when the range is going.
    pub addresses: Vec<Arc<IPAddress>>,
}

impl Controller for ServiceCidrs {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let range = self.ranges.get(key)?;
        let mut others = self.ranges.list();
        others.retain(|other| other.metadata.name != range.metadata.name);
        let going = range.metadata.deletion_timestamp.is_some();
        let mut addresses = if going { self.addresses.list() } else { Vec::new() };
        addresses.retain(|address| plan::is_of_service(address));
        Some(Inputs { range, others, addresses })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }

    const MAX_FAILURES: Option<u32> = Some(15);
}
