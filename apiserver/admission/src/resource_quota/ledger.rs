//! The quotas of each namespace as they are charged: one request of a namespace at a time.

use std::sync::Arc;

use api_types::core::v1::ResourceQuota;
use async_trait::async_trait;
use hashbrown::HashMap;
use machinery::status::StatusError;
use parking_lot::Mutex;
use rules::core::v1::resource_list::ResourceList;
use tokio::sync::OwnedMutexGuard;

use crate::lookup::Lookup;

/// Writes what quotas say is used.
#[async_trait]
pub trait QuotaStatus: Send + Sync {
    /// Replaces the status of the quota if it is still of the given version; the quota as written.
    async fn replace(&self, quota: ResourceQuota) -> Result<ResourceQuota, StatusError>;
}

/// Own writes by the name of the quota, until the cache has them.
type Written = HashMap<String, ResourceQuota>;

/// Where quotas are read and written.
pub(super) struct Ledger {
    lookup: Lookup,
    status: Arc<dyn QuotaStatus>,
    /// Namespaces with quotas; each is charged by one request at a time.
    namespaces: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Written>>>>,
}

/// The right to charge the quotas of a namespace.
pub(super) struct Turn {
    written: OwnedMutexGuard<Written>,
    /// The quotas as far as is known.
    pub quotas: Vec<ResourceQuota>,
}

impl Ledger {
    pub(super) fn new(lookup: Lookup, status: Arc<dyn QuotaStatus>) -> Ledger {
        Ledger { lookup, status, namespaces: Mutex::default() }
    }

    /// True when the namespace has quotas.
    pub(super) async fn has_quotas(&self, namespace: &str) -> Result<bool, StatusError> {
        let found = !self.list(namespace).await?.is_empty();
        if !found {
            self.namespaces.lock().remove(namespace);
        }
        Ok(found)
    }

    /// Waits until the namespace is free, and reads its quotas.
    pub(super) async fn turn(&self, namespace: &str) -> Result<Turn, StatusError> {
        let written = Arc::clone(self.namespaces.lock().entry_ref(namespace).or_default());
        let mut written = written.lock_owned().await;
        let mut quotas = self.list(namespace).await?;
        // What is not listed is gone; what the cache has caught up with is needed no more.
        written.retain(|name, own| {
            quotas.iter().any(|listed| listed.metadata.name == *name && version(listed) < version(own))
        });
        for quota in &mut quotas {
            if let Some(own) = written.get(&quota.metadata.name) {
                *quota = own.clone();
            }
        }
        Ok(Turn { written, quotas })
    }

    /// Writes what `quota` says is used.
    pub(super) async fn charge(
        &self,
        turn: &mut Turn,
        quota: &ResourceQuota,
        used: ResourceList,
    ) -> Result<(), StatusError> {
        let mut charged = quota.clone();
        charged.status.used = used;
        let written = self.status.replace(charged).await?;
        turn.written.insert(written.metadata.name.clone(), written);
        Ok(())
    }

    /// The quotas of these names as the store has them; what is gone is left out.
    pub(super) async fn reread(
        &self,
        namespace: &str,
        names: &[String],
    ) -> Result<Vec<ResourceQuota>, StatusError> {
        let mut quotas = Vec::with_capacity(names.len());
        for name in names {
            quotas.extend(self.lookup.live(namespace, name).await?);
        }
        Ok(quotas)
    }

    async fn list(&self, namespace: &str) -> Result<Vec<ResourceQuota>, StatusError> {
        self.lookup.list(namespace).await
    }
}

fn version(quota: &ResourceQuota) -> u64 {
    quota.metadata.resource_version.parse().unwrap_or(0)
}
