//! Decides whether a token has ended.

use api_types::core::v1::Secret;
use jiff::{SignedDuration, Timestamp};
use runtime::{Action, Plan};

use crate::security::bootstrap_tokens::{Expiration, expiration};

pub(super) fn plan(secret: &Secret, now: Timestamp) -> Plan {
    match expiration(secret) {
        Expiration::Never => Plan::nothing(),
        Expiration::At(end) if now < end => {
            match (end.duration_since(now) + SignedDuration::from_millis(1)).try_into() {
                Ok(wait) => Plan::nothing().requeue_after(wait),
                Err(_) => Plan::nothing(),
            }
        }
        Expiration::At(_) | Expiration::Unreadable => Plan::of(vec![Action::delete(secret)]),
    }
}
