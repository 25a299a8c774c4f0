//! `DenyServiceExternalIPs`: services take no addresses that are not theirs.
//!
//! Source: `plugin/pkg/admission/network/denyserviceexternalips`.

use api_types::core::v1::Service;
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;

/// The plugin. What a service has already, it keeps.
pub struct DenyServiceExternalIPs;

#[async_trait]
impl Plugin for DenyServiceExternalIPs {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn handles(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Create | Operation::Update)
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about("", "services", "") {
            return Ok(());
        }
        let Some(new) = attributes.object_as::<Service>() else { return Ok(()) };
        let old = attributes.old_object_as::<Service>();
        let old = old.map(|old| old.spec.external_ips.as_slice()).unwrap_or_default();
        if new.spec.external_ips.iter().all(|address| old.contains(address)) {
            return Ok(());
        }
        Err(attributes.forbidden("Use of external IPs is denied by admission control"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{create, object, request};

    #[tokio::test]
    async fn no_address_is_added() {
        let service = |addresses: &[&str]| -> Service {
            object(json!({"metadata": {"name": "s", "namespace": "ns"}, "spec": {"externalIPs": addresses}}))
        };
        let plugin = DenyServiceExternalIPs;
        assert_eq!(plugin.validate(&create(service(&[]))).await, Ok(()));
        let refused = plugin.validate(&create(service(&["192.0.2.1"]))).await.unwrap_err().to_string();
        assert!(refused.ends_with("Use of external IPs is denied by admission control"), "{refused}");
        let update = |new: &[&str]| {
            request(Operation::Update, Some(service(new)), Some(service(&["192.0.2.1", "192.0.2.2"])))
        };
        assert_eq!(plugin.validate(&update(&["192.0.2.2"])).await, Ok(()));
        assert!(plugin.validate(&update(&["192.0.2.2", "192.0.2.3"])).await.is_err());
    }
}
