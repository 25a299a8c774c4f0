//! `CertificateApproval`, `CertificateSigning` and `CertificateSubjectRestriction`: who may act in the name of a
//! signer, and what no client certificate may claim.
//!
//! Source: `plugin/pkg/admission/certificates` and `pkg/certauthorization`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use api_types::certificates::v1::CertificateSigningRequest;
use apiserver_auth::UserInfo;
use apiserver_auth::authz::{self, Authorizer};
use async_trait::async_trait;
use machinery::status::StatusError;

use crate::attributes::{Attributes, Operation};
use crate::plugin::Plugin;
use crate::signing_request;

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
/// The signer of certificates that clients show to the API server.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// The group that may do everything, whatever the authorizers say.
const MASTERS: &str = "system:masters";

/// Whether the user may do `verb` in the name of the signer, or of all signers of its domain.
async fn may(authorizer: &dyn Authorizer, user: &UserInfo, verb: &str, signer: &str) -> bool {
    let domain = signer.split('/').next().unwrap_or_default();
    for name in [signer, &format!("{domain}/*")] {
        let question =
            authz::Attributes { name, ..authz::Attributes::resource(user, verb, GROUP, "signers") };
        if authorizer.authorize(&question).await.is_allowed() {
            return true;
        }
    }
    false
}

/// Approving and denying requests takes a right on their signer.
pub struct CertificateApproval(pub Arc<dyn Authorizer>);

#[async_trait]
impl Plugin for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about(GROUP, REQUESTS, "approval") {
            return Ok(());
        }
        // The signer as it is stored: who changes it with the approval must not choose what is asked.
        let Some(request) = attributes.old_object_as::<CertificateSigningRequest>() else { return Ok(()) };
        let signer = &request.spec.signer_name;
        if may(&*self.0, &attributes.user, "approve", signer).await {
            return Ok(());
        }
        Err(attributes
            .forbidden(format!("user not permitted to approve requests with signerName {signer:?}")))
    }
}

/// Issuing certificates takes a right on the signer.
pub struct CertificateSigning(pub Arc<dyn Authorizer>);

#[async_trait]
impl Plugin for CertificateSigning {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about(GROUP, REQUESTS, "status") {
            return Ok(());
        }
        let requests = attributes.object_as().zip(attributes.old_object_as());
        let requests: Option<(&CertificateSigningRequest, &CertificateSigningRequest)> = requests;
        let Some((new, old)) = requests else { return Ok(()) };
        let signs = new.status.certificate != old.status.certificate
            || new.status.conditions != old.status.conditions;
        let signer = &old.spec.signer_name;
        if !signs || may(&*self.0, &attributes.user, "sign", signer).await {
            return Ok(());
        }
        Err(attributes.forbidden(format!("user not permitted to sign requests with signerName {signer:?}")))
    }
}

/// No client certificate may be asked for in the name of the masters.
pub struct CertificateSubjectRestriction;

#[async_trait]
impl Plugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn validate(&self, attributes: &Attributes) -> Result<(), StatusError> {
        if !attributes.is_about(GROUP, REQUESTS, "") {
            return Ok(());
        }
        let Some(request) = attributes.object_as::<CertificateSigningRequest>() else { return Ok(()) };
        if request.spec.signer_name != CLIENT_SIGNER {
            return Ok(());
        }
        let subject = signing_request::subject(&request.spec.request);
        let subject =
            subject.map_err(|error| attributes.forbidden(format!("failed to parse CSR: {error}")))?;
        if subject.organizations.iter().any(|group| group == MASTERS) {
            let reason = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
            return Err(attributes.forbidden(reason));
        }
        Ok(())
    }
}
