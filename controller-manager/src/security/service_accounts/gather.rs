//! What the caches know about a namespace's default ServiceAccount.

use std::sync::Arc;

use api_types::core::v1::{Namespace, ServiceAccount};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its caches.
pub(super) struct ServiceAccounts {
    pub namespaces: Store<Namespace>,
    pub accounts: Store<ServiceAccount>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub namespace: Arc<Namespace>,
    pub has_default: bool,
}

impl Controller for ServiceAccounts {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let namespace = self.namespaces.get(key)?;
        let has_default = self.accounts.get_by(key.name(), super::plan::DEFAULT).is_some();
        Some(Inputs { namespace, has_default })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        super::plan::plan(inputs)
    }
}
