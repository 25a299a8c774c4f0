//! Admission charges quotas by writing their status into the store.

use api_types::core::v1::ResourceQuota;
use apiserver_admission::resource_quota::QuotaStatus;
use async_trait::async_trait;
use machinery::status::StatusError;

use super::typed::Typed;

#[async_trait]
impl QuotaStatus for Typed {
    async fn replace(&self, quota: ResourceQuota) -> Result<ResourceQuota, StatusError> {
        let ResourceQuota { metadata, status, .. } = quota;
        let charge = |stored: &mut ResourceQuota| {
            // Another version than the one that was charged is a conflict.
            stored.metadata.resource_version.clone_from(&metadata.resource_version);
            stored.status.clone_from(&status);
        };
        self.update_status(&metadata.namespace, &metadata.name, charge).await
    }
}
