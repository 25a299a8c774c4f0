//! Validation of certificate signing requests.

use crate::{meta, report::Report};
use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use machinery::{
    field::{ErrorList, Path},
    names,
};
use std::collections::BTreeSet;
use x509_parser::{certification_request::X509CertificationRequest, pem::Pem, prelude::FromDer};

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Signer that this version no longer serves.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";

/// What a stored request may keep, and what the endpoint may write.
#[derive(Clone, Copy, Debug, Default)]
struct Allowances {
    approval: bool,
    certificate: bool,
    approved_and_denied: bool,
    legacy_signer: bool,
    duplicate_conditions: bool,
    empty_condition: bool,
    any_certificate: bool,
    unknown_usages: bool,
    duplicate_usages: bool,
}

fn has_duplicates<T: Ord>(values: impl Iterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    values.into_iter().any(|value| !seen.insert(value))
}

impl Allowances {
    fn after(new: &CertificateSigningRequest, old: &CertificateSigningRequest) -> Allowances {
        let conditions = &old.status.conditions;
        let has = |type_: &str| conditions.iter().any(|condition| condition.type_ == type_);
        Allowances {
            approval: false,
            certificate: false,
            approved_and_denied: has("Approved") && has("Denied"),
            legacy_signer: old.spec.signer_name == LEGACY_SIGNER,
            duplicate_conditions: has_duplicates(conditions.iter().map(|condition| &condition.type_)),
            empty_condition: has(""),
            any_certificate: new.status.certificate == old.status.certificate
                || check_certificate(&old.status.certificate).is_err(),
            unknown_usages: old.spec.usages.iter().any(|usage| !USAGES.contains(&usage.as_str())),
            duplicate_usages: has_duplicates(old.spec.usages.iter()),
        }
    }
}

fn check_request(pem: &[u8]) -> Result<(), String> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem)
        .map_err(|_| "PEM block type must be CERTIFICATE REQUEST".to_owned())?;
    if block.label != "CERTIFICATE REQUEST" {
        return Err("PEM block type must be CERTIFICATE REQUEST".to_owned());
    }
    let (rest, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| format!("asn1: structure error: {error}"))?;
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".to_owned());
    }
    request.verify_signature().map_err(|error| format!("x509: {error}"))
}

fn check_certificate(pem: &[u8]) -> Result<(), String> {
    if pem.is_empty() {
        return Ok(());
    }
    let mut blocks = 0;
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| error.to_string())?;
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        blocks += 1;
        block.parse_x509().map_err(|error| format!("x509: malformed certificate: {error}"))?;
    }
    if blocks == 0 { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}

/// Name of a signer: a domain of two labels or more, a slash, and a path of subdomains.
pub fn validate_signer_name(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let [domain, rest] = name.split('/').collect::<Vec<_>>()[..] else {
        errors.invalid(
            path,
            name,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        );
        return;
    };
    if domain.len() > names::DNS_SUBDOMAIN_MAX_LENGTH {
        errors.too_long(path, names::DNS_SUBDOMAIN_MAX_LENGTH);
    }
    let mut first_broken = |part: &str, rule: fn(&str) -> Vec<String>| {
        if let Some(label) = part.split('.').find(|label| !rule(label).is_empty()) {
            for message in rule(label) {
                errors.invalid(path, part, format!("validating label {label:?}: {message}"));
            }
        }
    };
    first_broken(domain, names::is_dns1123_label);
    let single = !domain.contains('.');
    first_broken(rest, names::is_dns1123_subdomain);
    if single {
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    }
    let longest = 2 * names::DNS_SUBDOMAIN_MAX_LENGTH + names::DNS_LABEL_MAX_LENGTH + 2;
    if name.len() > longest {
        errors.too_long(path, longest);
    }
}

fn any_name(_name: &str, _prefix: bool) -> Vec<String> {
    Vec::new()
}

fn validate_with(request: &CertificateSigningRequest, allow: Allowances) -> ErrorList {
    let mut errors = meta::validate(&request.metadata, false, any_name, &Path::new("metadata"));
    let (spec, path) = (&request.spec, Path::new("spec"));
    if let Err(error) = check_request(&spec.request) {
        let bytes = spec.request.iter().map(|byte| serde_json::Value::from(*byte)).collect();
        errors.invalid(&path.child("request"), serde_json::Value::Array(bytes), error);
    }
    let usages = path.child("usages");
    if spec.usages.is_empty() {
        errors.required(&usages, "");
    }
    for (index, usage) in spec.usages.iter().enumerate() {
        if !allow.unknown_usages && !USAGES.contains(&usage.as_str()) {
            errors.not_supported(&usages.index(index), usage, USAGES);
        }
    }
    let mut seen = BTreeSet::new();
    for (index, usage) in spec.usages.iter().enumerate() {
        if !seen.insert(usage) && !allow.duplicate_usages {
            errors.duplicate(&usages.index(index), usage);
        }
    }
    let signer = path.child("signerName");
    if !allow.legacy_signer && spec.signer_name == LEGACY_SIGNER {
        errors.invalid(
            &signer,
            &spec.signer_name,
            "the legacy signerName is not allowed via this API version",
        );
    } else {
        validate_signer_name(&spec.signer_name, &signer, &mut errors);
    }
    if let Some(seconds) = spec.expiration_seconds.filter(|seconds| *seconds < 600) {
        errors.invalid(
            &path.child("expirationSeconds"),
            seconds,
            "may not specify a duration less than 600 seconds (10 minutes)",
        );
    }
    validate_conditions(&request.status.conditions, allow, &Path::of(&["status", "conditions"]), &mut errors);
    if !allow.any_certificate
        && let Err(error) = check_certificate(&request.status.certificate)
    {
        errors.invalid(&Path::of(&["status", "certificate"]), "<certificate data>", error);
    }
    errors
}

fn validate_conditions(
    conditions: &[CertificateSigningRequestCondition],
    allow: Allowances,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let at = path.index(index);
        let type_ = condition.type_.as_str();
        if type_.is_empty() && !allow.empty_condition {
            errors.required(&at.child("type"), "");
        }
        let accepted: &[&str] = if matches!(type_, "Approved" | "Denied" | "Failed") {
            &["True"]
        } else {
            &["False", "True", "Unknown"]
        };
        if condition.status.is_empty() {
            errors.required(&at.child("status"), "");
        } else if !accepted.contains(&condition.status.as_str()) {
            errors.not_supported(&at.child("status"), &condition.status, accepted);
        }
        let opposite = match type_ {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !opposite.is_empty() && seen.contains(opposite) && !allow.approved_and_denied {
            errors.invalid(path, type_, "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(type_) && !allow.duplicate_conditions {
            errors.duplicate(&at.child("type"), type_);
        }
    }
}

/// A new request.
pub fn validate(request: &CertificateSigningRequest) -> ErrorList {
    validate_with(request, Allowances::default())
}

fn validate_change(
    new: &CertificateSigningRequest,
    old: &CertificateSigningRequest,
    allow: Allowances,
) -> ErrorList {
    let mut errors = validate_with(new, allow);
    let path = Path::of(&["status", "conditions"]);
    let of = |request: &CertificateSigningRequest, type_: &str| -> Vec<CertificateSigningRequestCondition> {
        request.status.conditions.iter().filter(|condition| condition.type_ == type_).cloned().collect()
    };
    for type_ in ["Approved", "Denied", "Failed"] {
        if of(new, type_).len() < of(old, type_).len() {
            errors.forbidden(&path, format!("updates may not remove a condition of type {type_:?}"));
        }
    }
    if !allow.approval {
        for type_ in ["Approved", "Denied"] {
            let (now, before) = (of(new, type_), of(old, type_));
            if now.len() > before.len() {
                errors.forbidden(&path, format!("updates may not add a condition of type {type_:?}"));
            } else if now.len() == before.len() && now != before {
                errors.forbidden(&path, format!("updates may not modify a condition of type {type_:?}\n"));
            }
        }
    }
    if new.status.certificate != old.status.certificate {
        let path = Path::of(&["status", "certificate"]);
        if !allow.certificate {
            errors.forbidden(&path, "updates may not set certificate content");
        } else if !old.status.certificate.is_empty() {
            errors.forbidden(&path, "updates may not modify existing certificate content");
        }
    }
    errors.extend(meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata")));
    errors
}

/// A changed request.
pub fn validate_update(new: &CertificateSigningRequest, old: &CertificateSigningRequest) -> ErrorList {
    validate_change(new, old, Allowances::after(new, old))
}

/// A changed status: the certificate is set once.
pub fn validate_status_update(new: &CertificateSigningRequest, old: &CertificateSigningRequest) -> ErrorList {
    validate_change(new, old, Allowances { certificate: true, ..Allowances::after(new, old) })
}

/// A changed approval.
pub fn validate_approval_update(
    new: &CertificateSigningRequest,
    old: &CertificateSigningRequest,
) -> ErrorList {
    validate_change(new, old, Allowances { approval: true, ..Allowances::after(new, old) })
}
