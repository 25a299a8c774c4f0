//! Certificate signing requests, with what the request itself says.

use base64::Engine as _;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use super::read::{number, present};
use super::{Around, Page};
use crate::error::message;
use crate::{Result, values};

/// Attributes of a subject that may come several times, by their object identifiers.
const LISTS: [(&str, &str); 7] = [
    ("Organization", "2.5.4.10"),
    ("Organizational Unit", "2.5.4.11"),
    ("Country", "2.5.4.6"),
    ("Locality", "2.5.4.7"),
    ("Province", "2.5.4.8"),
    ("StreetAddress", "2.5.4.9"),
    ("PostalCode", "2.5.4.17"),
];

/// Writes the page of a signing request.
pub fn describe(request: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(request));
    page.field(0, "Labels", values::joined(request, "/metadata/labels", ","));
    page.field(0, "Annotations", values::joined(request, "/metadata/annotations", ","));
    page.field(0, "CreationTimestamp", page.time(request, "/metadata/creationTimestamp"));
    page.field(0, "Requesting User", values::text(request, "/spec/username"));
    super::template::named(0, "Signer", request, "/spec/signerName", page);
    if present(request, "/spec/expirationSeconds") {
        let seconds = number(request, "/spec/expirationSeconds");
        page.field(0, "Requested Duration", machinery::table::human_duration(seconds));
    }
    page.field(0, "Status", status(request));
    asked(values::text(request, "/spec/request"), page)
        .map_err(|error| message(format!("Error parsing CSR: {error}")))
}

/// `Approved,Issued` and the like.
fn status(request: &Value) -> String {
    let conditions = values::list(request, "/status/conditions");
    let has = |kind: &str| conditions.iter().any(|condition| values::text(condition, "/type") == kind);
    let mut text = match () {
        () if has("Denied") => "Denied",
        () if has("Approved") => "Approved",
        () => "Pending",
    }
    .to_owned();
    if has("Failed") {
        text.push_str(",Failed");
    }
    if !values::text(request, "/status/certificate").is_empty() {
        text.push_str(",Issued");
    }
    text
}

fn asked(encoded: &str, page: &mut Page) -> std::result::Result<(), String> {
    const NO_PEM: &str = "PEM block type must be CERTIFICATE REQUEST";
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|error| error.to_string())?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&bytes).map_err(|_| NO_PEM.to_owned())?;
    if pem.label != "CERTIFICATE REQUEST" {
        return Err(NO_PEM.to_owned());
    }
    let (_, request) =
        X509CertificationRequest::from_der(&pem.contents).map_err(|error| error.to_string())?;
    let subject = &request.certification_request_info.subject;
    let attributes = |oid: &str| -> Vec<String> {
        subject
            .iter_attributes()
            .filter(|attribute| attribute.attr_type().to_id_string() == oid)
            .filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
            .collect()
    };
    let last = |oid: &str| attributes(oid).pop().unwrap_or_default();
    page.line(0, "Subject:");
    page.line(0, &format!("\tCommon Name:\t{}", last("2.5.4.3")));
    page.line(0, &format!("\tSerial Number:\t{}", last("2.5.4.5")));
    for (label, oid) in LISTS {
        list(label, &attributes(oid), page);
    }
    let names: Vec<&GeneralName<'_>> = request
        .requested_extensions()
        .into_iter()
        .flatten()
        .filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .collect();
    let pick = |which: fn(&GeneralName<'_>) -> Option<String>| -> Vec<String> {
        names.iter().filter_map(|name| which(name)).collect()
    };
    let kinds: [(&str, Vec<String>); 4] = [
        ("DNS Names", pick(|name| matches_text(name, 0))),
        ("Email Addresses", pick(|name| matches_text(name, 1))),
        ("URIs", pick(|name| matches_text(name, 2))),
        ("IP Addresses", pick(address)),
    ];
    if kinds.iter().any(|(_, names)| !names.is_empty()) {
        page.line(0, "Subject Alternative Names:");
    }
    for (label, names) in &kinds {
        list(label, names, page);
    }
    Ok(())
}

fn matches_text(name: &GeneralName<'_>, which: u8) -> Option<String> {
    match (name, which) {
        (GeneralName::DNSName(text), 0)
        | (GeneralName::RFC822Name(text), 1)
        | (GeneralName::URI(text), 2) => Some((*text).to_owned()),
        _ => None,
    }
}

fn address(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::IPAddress(bytes) = name else { return None };
    if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(*bytes).ok().map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}

fn list(label: &str, values: &[String], page: &mut Page) {
    if !values.is_empty() {
        page.line(0, &format!("\t{label}:\t{}", values.join("\n\t\t")));
    }
}
