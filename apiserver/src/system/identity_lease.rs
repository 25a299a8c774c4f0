//! The lease by which a server shows that it lives, and the removal of leases of servers that do not.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::coordination::v1::{Lease, LeaseSpec};
use aws_lc_rs::digest::{SHA256, digest};
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;
use machinery::{MicroTime, Resource};

use super::typed::Typed;

const NAMESPACE: &str = "kube-system";
const IDENTITY_LABEL: &str = "apiserver.kubernetes.io/identity";
const IDENTITY: &str = "kube-apiserver";
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";
/// Seconds after its renewal that a lease counts as left behind.
const DURATION_SECONDS: i32 = 3600;
/// How often the lease is renewed.
pub const RENEW_PERIOD: Duration = Duration::from_secs(10);
/// How often leases left behind are looked for.
pub const COLLECT_PERIOD: Duration = Duration::from_secs(3600);

/// One server's lease.
#[derive(Clone, Debug)]
pub struct IdentityLease {
    name: String,
    holder: String,
    hostname: String,
}

impl IdentityLease {
    /// The lease of the server on `hostname`; `instance` tells two runs on one host apart.
    pub fn new(hostname: &str, instance: &str) -> IdentityLease {
        let hash = digest(&SHA256, hostname.as_bytes());
        let name = format!("apiserver-{}", base32(&hash.as_ref()[..16]));
        IdentityLease { holder: format!("{name}_{instance}"), name, hostname: hostname.to_string() }
    }

    /// Creates or renews the lease.
    pub async fn renew(&self, typed: &Typed) -> Result<(), StatusError> {
        let now = MicroTime::from(jiff::Timestamp::now());
        let labels = BTreeMap::from([
            (IDENTITY_LABEL.to_string(), IDENTITY.to_string()),
            (HOSTNAME_LABEL.to_string(), self.hostname.clone()),
        ]);
        if typed.get::<Lease>(NAMESPACE, &self.name).await?.is_none() {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: self.name.clone(),
                    namespace: NAMESPACE.into(),
                    labels: labels.clone(),
                    ..ObjectMeta::default()
                },
                spec: LeaseSpec {
                    holder_identity: Some(self.holder.clone()),
                    lease_duration_seconds: Some(DURATION_SECONDS),
                    renew_time: Some(now),
                    ..LeaseSpec::default()
                },
            };
            typed.create_if_absent(lease).await?;
            return Ok(());
        }
        typed
            .update::<Lease>(NAMESPACE, &self.name, |lease| {
                lease.metadata.labels.extend(labels.clone());
                lease.spec.holder_identity = Some(self.holder.clone());
                lease.spec.lease_duration_seconds = Some(DURATION_SECONDS);
                lease.spec.renew_time = Some(now);
            })
            .await?;
        Ok(())
    }
}

/// Deletes leases of servers that have not renewed them for their whole duration.
pub async fn collect(typed: &Typed) -> Result<(), StatusError> {
    let now = jiff::Timestamp::now().as_second();
    for lease in typed.list::<Lease>(NAMESPACE).await? {
        let metadata = lease.metadata();
        let is_ours = metadata.labels.get(IDENTITY_LABEL).is_some_and(|value| value == IDENTITY);
        if is_ours && is_left_behind(&lease.spec, now) {
            typed.delete::<Lease>(NAMESPACE, &metadata.name).await?;
        }
    }
    Ok(())
}

fn is_left_behind(spec: &LeaseSpec, now: i64) -> bool {
    match (&spec.renew_time, spec.lease_duration_seconds) {
        (Some(renewed), Some(duration)) => renewed.seconds + i64::from(duration) < now,
        // A lease without times was never meant to be kept.
        _ => true,
    }
}

/// Lower-case base 32 without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let characters = (chunk.len() * 8).div_ceil(5);
        for index in 0..characters {
            let digit = (bits >> (35 - 5 * index)) & 31;
            text.push(ALPHABET[digit as usize] as char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (input, expected) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foobar", "mzxw6ytboi")] {
            assert_eq!(base32(input.as_bytes()), expected);
        }
    }

    #[test]
    fn names_depend_on_the_host_alone() {
        let (a, b) = (IdentityLease::new("h", "1"), IdentityLease::new("h", "2"));
        assert_eq!(a.name, b.name);
        assert_ne!(a.holder, b.holder);
        assert_eq!(a.name.len(), "apiserver-".len() + 26);
    }

    #[test]
    fn leases_are_left_behind_after_their_duration() {
        let spec = |renewed: i64| LeaseSpec {
            renew_time: Some(MicroTime { seconds: renewed, nanos: 0 }),
            lease_duration_seconds: Some(10),
            ..LeaseSpec::default()
        };
        assert!(!is_left_behind(&spec(100), 110));
        assert!(is_left_behind(&spec(100), 111));
        assert!(is_left_behind(&LeaseSpec::default(), 0));
    }
}
