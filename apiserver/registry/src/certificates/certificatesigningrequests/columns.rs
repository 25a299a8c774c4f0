//! Table columns of certificatesigningrequests.

use crate::columns::{Column, Row, age_of, cells, or};
use api_types::certificates::v1::CertificateSigningRequest;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::AGE,
    Column::field("SignerName", "k8s.io.api.certificates.v1.CertificateSigningRequestSpec", "signerName"),
    Column::field("Requestor", "k8s.io.api.certificates.v1.CertificateSigningRequestSpec", "request"),
    Column::field(
        "RequestedDuration",
        "k8s.io.api.certificates.v1.CertificateSigningRequestSpec",
        "expirationSeconds",
    ),
    Column::field("Condition", "k8s.io.api.certificates.v1.CertificateSigningRequestStatus", "conditions"),
];

/// A signing request as a row.
pub fn row(request: &CertificateSigningRequest, now: jiff::Timestamp) -> Row {
    let has = |type_: &str| request.status.conditions.iter().any(|condition| condition.type_ == type_);
    let mut status = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        status.push_str(",Failed");
    }
    if !request.status.certificate.is_empty() {
        status.push_str(",Issued");
    }
    cells![
        request.metadata.name.as_str(),
        age_of(&request.metadata, now),
        or(&request.spec.signer_name, "<none>"),
        request.spec.username.as_str(),
        request
            .spec
            .expiration_seconds
            .map_or_else(|| "<none>".to_owned(), |seconds| rules::duration::human(i64::from(seconds))),
        status,
    ]
}
