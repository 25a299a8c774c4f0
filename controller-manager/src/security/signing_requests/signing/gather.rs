//! A request and the authority of its signer.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use component_base::tls::{Authority, Reloaded};
use jiff::{SignedDuration, Timestamp};
use runtime::{Controller, ObjectKey, Plan, Store};

/// The controller: its cache and its authorities.
pub(super) struct Signers {
    pub requests: Store<CertificateSigningRequest>,
    pub authorities: BTreeMap<&'static str, Reloaded<Arc<Authority>>>,
    /// Longest life of a certificate.
    pub longest: SignedDuration,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub request: Arc<CertificateSigningRequest>,
    pub authority: Arc<Authority>,
    pub longest: SignedDuration,
}

impl Controller for Signers {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let request = self.requests.get(key)?;
        let authority = self.authorities.get(request.spec.signer_name.as_str())?.current();
        Some(Inputs { request, authority: Arc::clone(&authority), longest: self.longest })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        super::plan::plan(inputs, now)
    }
}
