//! Decides what to ask about a request.

use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use component_base::tls::SigningRequest;

use crate::security::signing_requests::requests::{
    KUBELET_CLIENT, KUBELET_SERVING, has_condition, kubelet_client, kubelet_serving,
};

/// May the user of a request create this subresource of requests?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Name of the subresource.
    pub subresource: &'static str,
    /// Said when it may.
    pub message: &'static str,
}

/// A kubelet that renews its own certificate.
const OWN: Question = Question {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
/// Somebody who asks for a kubelet's, with a bootstrap token mostly.
const ANY: Question = Question {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};

/// A kubelet that asks for its serving certificate. Upstream had this subresource while it approved such requests.
const OWN_SERVING: Question = Question {
    subresource: "selfnodeserver",
    message: "Auto approving self kubelet server certificate after SubjectAccessReview.",
};

/// The request of a kubelet for its serving certificate, while nobody has decided on it.
pub(super) fn serving(request: &CertificateSigningRequest) -> Option<(SigningRequest, Question)> {
    if decided(request) || request.spec.signer_name != KUBELET_SERVING {
        return None;
    }
    let parsed = SigningRequest::from_pem(&request.spec.request).ok()?;
    kubelet_serving(&parsed, &request.spec.usages).ok()?;
    Some((parsed, OWN_SERVING))
}

fn decided(request: &CertificateSigningRequest) -> bool {
    !request.status.certificate.is_empty()
        || has_condition(request, "Approved")
        || has_condition(request, "Denied")
}

/// The questions, in order; none when the request is not for a kubelet's client certificate or was decided already.
pub(super) fn questions(request: &CertificateSigningRequest) -> Vec<Question> {
    if decided(request) || request.spec.signer_name != KUBELET_CLIENT {
        return Vec::new();
    }
    let Ok(parsed) = SigningRequest::from_pem(&request.spec.request) else { return Vec::new() };
    if kubelet_client(&parsed, &request.spec.usages).is_err() {
        return Vec::new();
    }
    if request.spec.username == parsed.common_name { vec![OWN, ANY] } else { vec![ANY] }
}

/// The request with its approval.
pub(super) fn approved(request: &CertificateSigningRequest, message: &str) -> CertificateSigningRequest {
    let mut approved = request.clone();
    approved.status.conditions.push(CertificateSigningRequestCondition {
        type_: "Approved".to_owned(),
        status: "True".to_owned(),
        reason: "AutoApproved".to_owned(),
        message: message.to_owned(),
        ..CertificateSigningRequestCondition::default()
    });
    approved
}
