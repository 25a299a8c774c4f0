//! Decides when a request has had its time.

use api_types::certificates::v1::CertificateSigningRequest;
use component_base::tls::CertificateFacts;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;
use runtime::{Action, Plan};

/// After it was signed, denied or failed.
const DECIDED: SignedDuration = SignedDuration::from_hours(1);
/// While nobody decides, or nobody signs what was approved.
const PENDING: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn plan(request: &CertificateSigningRequest, now: Timestamp) -> Plan {
    let Some(end) = end(request) else { return Plan::nothing() };
    let left = end.duration_since(now);
    if !left.is_positive() {
        return Plan::of(vec![Action::delete(request)]);
    }
    // A second later, because times of the API are whole seconds.
    match (left + SignedDuration::from_secs(1)).try_into() {
        Ok(left) => Plan::nothing().requeue_after(left),
        Err(_) => Plan::nothing(),
    }
}

/// The earliest moment at which one of the rules says that it may go.
fn end(request: &CertificateSigningRequest) -> Option<Timestamp> {
    let after =
        |time: Time, life| (!time.is_zero()).then(|| time.to_timestamp()).flatten().map(|at| at + life);
    if request.status.conditions.is_empty() {
        return after(request.metadata.creation_timestamp, PENDING);
    }
    let issued = !request.status.certificate.is_empty();
    let ends = request.status.conditions.iter().filter_map(|condition| match condition.type_.as_str() {
        "Approved" if issued => {
            after(condition.last_update_time, DECIDED).into_iter().chain(expiry(request)).min()
        }
        "Approved" => after(condition.last_update_time, PENDING),
        "Denied" | "Failed" => after(condition.last_update_time, DECIDED),
        _ => None,
    });
    ends.min()
}

fn expiry(request: &CertificateSigningRequest) -> Option<Timestamp> {
    CertificateFacts::first_from_pem(&request.status.certificate).ok().map(|facts| facts.not_after)
}
