//! Approved requests are signed once, bad ones fail.

use std::sync::Arc;

use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use component_base::tls::{Authority, CertificateFacts, ExtendedUsage, KeyAlgorithm, Profile, Usage};
use jiff::{SignedDuration, Timestamp};
use runtime::Controller;

use super::gather::{Inputs, Signers};
use crate::security::signing_requests::requests::tests::pem;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

fn request(conditions: &[&str], organization: &str) -> CertificateSigningRequest {
    let mut request = CertificateSigningRequest::default();
    request.spec.request = pem("system:node:n1", organization, &[]);
    request.spec.signer_name = "kubernetes.io/kube-apiserver-client-kubelet".into();
    request.spec.usages = vec!["digital signature".into(), "client auth".into()];
    request.status.conditions = conditions
        .iter()
        .map(|kind| CertificateSigningRequestCondition {
            type_: (*kind).into(),
            status: "True".into(),
            ..Default::default()
        })
        .collect();
    request
}

fn written(request: CertificateSigningRequest) -> Option<CertificateSigningRequest> {
    let profile = Profile::authority("kubernetes", now(), now() + SignedDuration::from_hours(24 * 3650));
    let authority = Authority::create(&profile, KeyAlgorithm::EcdsaP256).expect("authority");
    let inputs = Inputs {
        request: Arc::new(request),
        authority: Arc::new(authority),
        longest: SignedDuration::from_hours(8760),
    };
    let plan = Signers::plan(&inputs, now());
    let (subresource, written) = plan.actions().next()?.replaced::<CertificateSigningRequest>()?;
    assert_eq!(subresource, "status");
    Some(written.clone())
}

#[test]
fn approved_requests_are_signed_once() {
    let signed = written(request(&["Approved"], "system:nodes")).expect("written");
    let facts = CertificateFacts::first_from_pem(&signed.status.certificate).expect("certificate");
    assert_eq!(
        (facts.common_name.as_str(), facts.organizations.as_slice()),
        ("system:node:n1", &["system:nodes".to_owned()][..])
    );
    assert_eq!(
        (facts.usages, facts.extended_usages),
        (vec![Usage::DigitalSignature], vec![ExtendedUsage::ClientAuth])
    );
    assert_eq!(facts.not_before, now() - SignedDuration::from_mins(5));
    assert_eq!(facts.not_after, now() + SignedDuration::from_hours(8760) - SignedDuration::from_mins(5));
    assert_eq!(written(signed), None);
    for conditions in [&[][..], &["Denied"], &["Approved", "Failed"]] {
        assert_eq!(written(request(conditions, "system:nodes")), None);
    }
}

#[test]
fn wanted_lives_are_kept_within_bounds() {
    let check = |seconds, expected: i64| {
        let mut request = request(&["Approved"], "system:nodes");
        request.spec.expiration_seconds = Some(seconds);
        let signed = written(request).expect("written");
        let facts = CertificateFacts::first_from_pem(&signed.status.certificate).expect("certificate");
        assert_eq!(facts.not_after.as_second() - now().as_second(), expected);
    };
    check(3600, 3600);
    check(1, 600);
    check(i32::MAX, 8760 * 3600 - 300);
}

#[test]
fn bad_requests_fail_with_the_reason() {
    let failed = written(request(&["Approved"], "people")).expect("written");
    let condition = failed.status.conditions.last().expect("condition");
    assert_eq!((condition.type_.as_str(), condition.reason.as_str()), ("Failed", "SignerValidationFailure"));
    assert_eq!(condition.message, "subject organization is not system:nodes");
    assert!(failed.status.certificate.is_empty());
}
