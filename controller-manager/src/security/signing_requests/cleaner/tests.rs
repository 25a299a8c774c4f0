//! Cases over age and state.

use std::sync::Arc;

use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use jiff::Timestamp;
use machinery::Time;
use runtime::Controller;

use super::gather::Cleaner;

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3600;

/// Deleted, or looked at again after so many seconds.
fn check(condition: Option<&str>, issued: bool, age: i64, expected: Option<i64>) {
    let at = Time { seconds: NOW - age, nanos: 0 };
    let mut request = CertificateSigningRequest::default();
    request.metadata.name = "csr".into();
    request.metadata.creation_timestamp = at;
    request.status.conditions = condition
        .map(|kind| CertificateSigningRequestCondition {
            type_: kind.into(),
            last_update_time: at,
            ..Default::default()
        })
        .into_iter()
        .collect();
    if issued {
        request.status.certificate = b"not even a certificate".to_vec();
    }
    let plan = Cleaner::plan(&Arc::new(request), Timestamp::from_second(NOW).expect("in range"));
    let deleted = !plan.deletes::<CertificateSigningRequest>().is_empty();
    let again = plan.requeue_after.and_then(|delay| i64::try_from(delay.as_secs()).ok());
    assert_eq!((deleted, again), (expected.is_none(), expected), "{condition:?} {issued} {age}");
}

#[test]
fn requests_go_when_their_time_has_come() {
    check(None, false, HOUR, Some(23 * HOUR + 1));
    check(None, false, 24 * HOUR, None);
    check(Some("Denied"), false, HOUR / 2, Some(HOUR / 2 + 1));
    check(Some("Denied"), false, HOUR, None);
    check(Some("Failed"), false, HOUR, None);
    check(Some("Approved"), true, HOUR, None);
    check(Some("Approved"), false, HOUR, Some(23 * HOUR + 1));
    check(Some("Approved"), false, 24 * HOUR, None);
}
