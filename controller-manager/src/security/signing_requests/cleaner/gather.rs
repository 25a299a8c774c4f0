//! A request.

use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache.
pub(super) struct Cleaner {
    pub requests: Store<CertificateSigningRequest>,
}

impl Controller for Cleaner {
    type Inputs = Arc<CertificateSigningRequest>;

    fn gather(&self, key: &ObjectKey) -> Option<Arc<CertificateSigningRequest>> {
        self.requests.get(key)
    }

    fn plan(request: &Arc<CertificateSigningRequest>, now: Timestamp) -> Plan {
        super::plan::plan(request, now)
    }
}
