//! The ConfigMap and all tokens.

use std::sync::Arc;

use api_types::core::v1::{ConfigMap, Secret};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its caches.
pub(super) struct BootstrapSigner {
    pub configs: Store<ConfigMap>,
    pub secrets: Store<Secret>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub config: Arc<ConfigMap>,
    pub secrets: Vec<Arc<Secret>>,
}

impl Controller for BootstrapSigner {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        Some(Inputs { config: self.configs.get(key)?, secrets: self.secrets.list() })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        super::plan::plan(inputs, now)
    }
}
