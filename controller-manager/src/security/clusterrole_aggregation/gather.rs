//! An aggregated role and all roles.

use std::sync::Arc;

use api_types::rbac::v1::ClusterRole;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache.
pub(super) struct Aggregation {
    pub roles: Store<ClusterRole>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub role: Arc<ClusterRole>,
    pub all: Vec<Arc<ClusterRole>>,
}

impl Controller for Aggregation {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let role = self.roles.get(key).filter(|role| role.aggregation_rule.is_some())?;
        Some(Inputs { role, all: self.roles.list() })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        super::plan::plan(inputs)
    }
}
