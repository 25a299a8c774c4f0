//! Leases for values that expire (Events): one lease serves many keys, as upstream does it.
//!
//! A lease per key would cost etcd a timer and a write each. A lease is therefore reused for
//! [`REUSE`] or until [`LARGEST_GROUP`] keys hang on it, and lives that much longer than asked.

use std::time::Duration;

use etcd_client::LeaseClient;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::deadline;
use crate::error::StorageError;

/// Upstream's `LeaseReuseDurationSeconds`.
const REUSE: Duration = Duration::from_secs(60);
/// Upstream's `LeaseMaxObjectCount`: one expiry should not delete more keys at once.
const LARGEST_GROUP: u64 = 1000;

pub(super) struct LeaseBuckets {
    client: LeaseClient,
    current: Mutex<Option<Bucket>>,
}

struct Bucket {
    lease: i64,
    /// When the lease itself ends.
    expires: Instant,
    ttl: Duration,
    keys: u64,
}

impl LeaseBuckets {
    pub(super) fn new(client: LeaseClient) -> Self {
        LeaseBuckets { client, current: Mutex::new(None) }
    }

    /// A lease that lives at least `ttl` and at most [`REUSE`] longer.
    pub(super) async fn lease_for(&self, ttl: Duration) -> Result<i64, StorageError> {
        if let Some(lease) = self.reuse(ttl) {
            return Ok(lease);
        }
        let granted = ttl + reuse_for(ttl);
        let seconds = granted.as_secs().max(1) as i64;
        let asked = Instant::now();
        let mut client = self.client.clone();
        let response = deadline("grant a lease", false, client.grant(seconds, None)).await?;
        let lease = response.id();
        *self.current.lock() = Some(Bucket { lease, expires: asked + granted, ttl, keys: 1 });
        Ok(lease)
    }

    fn reuse(&self, ttl: Duration) -> Option<i64> {
        let mut current = self.current.lock();
        let bucket = current.as_mut()?;
        let fits = bucket.ttl == ttl
            && bucket.keys < LARGEST_GROUP
            && bucket.expires.saturating_duration_since(Instant::now()) >= ttl;
        if !fits {
            return None;
        }
        bucket.keys += 1;
        Some(bucket.lease)
    }
}

/// Short lives are not stretched by more than a twentieth, as upstream.
fn reuse_for(ttl: Duration) -> Duration {
    REUSE.min(ttl / 20)
}
