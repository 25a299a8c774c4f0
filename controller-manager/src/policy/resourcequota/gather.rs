//! A quota and everything in its namespace that it may count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Service};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::counts::{Counts, is_counted};

/// The controller: its caches.
pub(super) struct Quotas {
    pub quotas: Store<ResourceQuota>,
    pub pods: Store<Pod>,
    pub services: Store<Service>,
    pub claims: Store<PersistentVolumeClaim>,
    pub counts: Counts,
    /// How often everything is counted anew.
    pub period: Duration,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub quota: Arc<ResourceQuota>,
    pub pods: Vec<Arc<Pod>>,
    pub services: Vec<Arc<Service>>,
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    /// Numbers of other objects by the quota's names; those not known yet are missing.
    pub counts: BTreeMap<String, usize>,
    pub period: Duration,
}

impl Controller for Quotas {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let quota = self.quotas.get(key)?;
        let namespace = key.namespace();
        let names = quota.spec.hard.keys().filter(|name| is_counted(name));
        let counts =
            names.filter_map(|name| Some((name.clone(), self.counts.count(name, namespace)?))).collect();
        Some(Inputs {
            pods: self.pods.in_namespace(namespace),
            services: self.services.in_namespace(namespace),
            claims: self.claims.in_namespace(namespace),
            counts,
            period: self.period,
            quota,
        })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        super::plan::plan(inputs, now)
    }
}
