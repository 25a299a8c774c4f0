//! What the caches know about the published authority of a namespace.

use std::sync::Arc;

use api_types::core::v1::{ConfigMap, Namespace};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its caches and what it publishes.
pub(super) struct RootCa {
    pub namespaces: Store<Namespace>,
    pub published: Store<ConfigMap>,
    pub bundle: Arc<str>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub namespace: Arc<Namespace>,
    pub published: Option<Arc<ConfigMap>>,
    pub bundle: Arc<str>,
}

impl Controller for RootCa {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let namespace = self.namespaces.get(key)?;
        let published = self.published.get_by(key.name(), super::plan::NAME);
        Some(Inputs { namespace, published, bundle: Arc::clone(&self.bundle) })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        super::plan::plan(inputs)
    }
}
