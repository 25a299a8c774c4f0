//! Decides whether a request is signed or fails.

use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use component_base::tls::authority::Terms;
use component_base::tls::{ExtendedUsage, SigningRequest, Usage};
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use runtime::{Action, Plan};

use super::gather::Inputs;
use crate::security::signing_requests::requests::{SIGNERS, has_condition};

/// Certificates are valid a little before they are made, for clocks that are behind.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// From this life on the backdating is taken from its end.
const LONG: SignedDuration = SignedDuration::from_hours(8);
/// Shorter lives are not signed.
const SHORTEST: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let request = inputs.request.as_ref();
    let waits = has_condition(request, "Approved")
        && !has_condition(request, "Denied")
        && !has_condition(request, "Failed")
        && request.status.certificate.is_empty();
    let rule = SIGNERS.iter().find(|(signer, _)| *signer == request.spec.signer_name);
    let (true, Some((_, check))) = (waits, rule) else { return Plan::nothing() };
    let parsed = match SigningRequest::from_pem(&request.spec.request) {
        Ok(parsed) => parsed,
        Err(error) => {
            // The API server validates requests: only one stored by other means gets here.
            tracing::error!(%error, request = request.metadata.name, "request cannot be read");
            return Plan::nothing();
        }
    };
    if let Err(message) = check(&parsed, &request.spec.usages) {
        return Plan::of(vec![Action::replace_status(failed(request, message, now))]);
    }
    let terms = match terms(request, inputs.longest, now) {
        Ok(terms) => terms,
        Err(message) => return Plan::of(vec![Action::replace_status(failed(request, message, now))]),
    };
    match inputs.authority.sign_request(&parsed, &terms) {
        Ok(certificate) => {
            let mut signed = request.clone();
            signed.status.certificate = certificate.into_bytes();
            Plan::of(vec![Action::replace_status(signed)])
        }
        Err(error) => {
            tracing::error!(
                error = component_base::run::error_chain(&error),
                request = request.metadata.name,
                "request not signed"
            );
            Plan::nothing().requeue_after(std::time::Duration::from_secs(60))
        }
    }
}

fn terms(
    request: &CertificateSigningRequest,
    longest: SignedDuration,
    now: Timestamp,
) -> Result<Terms, String> {
    let (mut usages, mut extended_usages, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for name in &request.spec.usages {
        match (Usage::from_name(name), ExtendedUsage::from_name(name)) {
            (Some(usage), _) if !usages.contains(&usage) => usages.push(usage),
            (None, Some(usage)) if !extended_usages.contains(&usage) => extended_usages.push(usage),
            (None, None) => unknown.push(format!("{name:?}")),
            _ => {}
        }
    }
    if !unknown.is_empty() {
        return Err(format!("unrecognized usage values: [{}]", unknown.join(" ")));
    }
    usages.sort_unstable();
    extended_usages.sort_unstable();
    let life = match request.spec.expiration_seconds {
        None => longest,
        Some(seconds) => SignedDuration::from_secs(i64::from(seconds)).max(SHORTEST).min(longest),
    };
    let not_after = if life < LONG { now + life } else { now + life - BACKDATE };
    Ok(Terms { usages, extended_usages, not_before: now - BACKDATE, not_after })
}

fn failed(request: &CertificateSigningRequest, message: String, now: Timestamp) -> CertificateSigningRequest {
    let now = Time { nanos: 0, ..Time::from(now) };
    let mut failed = request.clone();
    failed.status.conditions.push(CertificateSigningRequestCondition {
        type_: "Failed".to_owned(),
        status: "True".to_owned(),
        reason: "SignerValidationFailure".to_owned(),
        message,
        last_update_time: now,
        ..CertificateSigningRequestCondition::default()
    });
    failed
}
