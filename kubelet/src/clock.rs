//! The time of day, and waiting for it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Least time to wait, so that a clock that stands still does not make a loop spin.
const LEAST: Duration = Duration::from_millis(5);

/// Where the time comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// A time of day and the moment it belongs to: time goes as tokio's does, which tests pause.
    simulated: Option<(Timestamp, Instant)>,
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Clock {
        Clock::default()
    }

    /// A clock that begins now and goes on with tokio's.
    pub fn simulated() -> Clock {
        Clock { simulated: Some((Timestamp::now(), Instant::now())) }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self.simulated {
            None => Timestamp::now(),
            Some((begin, moment)) => kubelet_core::backoff::later(begin, moment.elapsed()),
        }
    }

    /// Waits until a time.
    pub async fn sleep_until(&self, until: Timestamp) {
        let left = kubelet_core::backoff::elapsed(self.now(), until);
        tokio::time::sleep(left.max(LEAST)).await;
    }
}
