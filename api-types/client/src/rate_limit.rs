//! A token bucket that spaces requests out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// `rate` requests a second, `burst` at once.
pub(crate) struct RateLimit {
    per_request: Duration,
    burst: Duration,
    /// When the bucket would be full if nothing more came.
    full_at: Mutex<Option<Instant>>,
}

impl RateLimit {
    pub(crate) fn new(rate: f32, burst: u32) -> RateLimit {
        let per_request = Duration::from_secs_f32(1.0 / rate.max(0.001));
        RateLimit { per_request, burst: per_request * burst.max(1), full_at: Mutex::new(None) }
    }

    /// Waits for this request's turn.
    pub(crate) async fn wait(&self) {
        let delay = self.take(Instant::now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Takes a token, possibly one of the future; how long until it is due.
    fn take(&self, now: Instant) -> Duration {
        let mut full_at = self.full_at.lock();
        let next = full_at.map_or(now, |at| at.max(now)) + self.per_request;
        *full_at = Some(next);
        (next - now).saturating_sub(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate_holds() {
        let limit = RateLimit::new(10.0, 3);
        let start = Instant::now();
        for _ in 0..3 {
            limit.wait().await;
        }
        assert!(start.elapsed() < Duration::from_millis(1));
        for _ in 0..10 {
            limit.wait().await;
        }
        let elapsed = start.elapsed();
        assert!((Duration::from_millis(990)..Duration::from_millis(1020)).contains(&elapsed), "{elapsed:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rested = Instant::now();
        limit.wait().await;
        assert_eq!(rested.elapsed(), Duration::ZERO);
    }
}
