//! Whom a certificate signing request is about.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

/// The parts of a subject that plugins look at.
#[derive(Debug, Default, PartialEq)]
pub struct Subject {
    /// `CN`; the last one when there are several.
    pub common_name: String,
    /// `O`, in order.
    pub organizations: Vec<String>,
}

/// Reads the subject of a request in PEM.
pub fn subject(pem: &[u8]) -> Result<Subject, String> {
    let wrong_type = || "PEM block type must be CERTIFICATE REQUEST".to_owned();
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| wrong_type())?;
    if block.label != "CERTIFICATE REQUEST" {
        return Err(wrong_type());
    }
    let (_, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| format!("asn1: structure error: {error}"))?;
    let subject = &request.certification_request_info.subject;
    let common_names = subject.iter_common_name().map(text).collect::<Result<Vec<_>, _>>()?;
    let organizations = subject.iter_organization().map(text).collect::<Result<_, _>>()?;
    Ok(Subject { common_name: common_names.into_iter().next_back().unwrap_or_default(), organizations })
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Result<String, String> {
    attribute
        .as_str()
        .map(str::to_owned)
        .map_err(|error| format!("x509: invalid text in the subject: {error}"))
}
