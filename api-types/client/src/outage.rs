//! Failures that repeat: told once when they begin and once when they end, and tried again at growing distances.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// Of one outage no more than so many different errors are told.
const MAX_TOLD: usize = 16;

/// One thing that may fail for a while, such as writing to an API server that is away.
#[derive(Debug)]
pub struct Outage {
    /// What fails, as the log says it: `renew the node's lease`.
    what: Cow<'static, str>,
    first: Duration,
    longest: Duration,
    wait: Duration,
    since: Option<Instant>,
    failures: u32,
    told: BTreeSet<String>,
}

impl Outage {
    /// Nothing has failed yet. Waits go from `first` to `longest`.
    pub fn new(what: impl Into<Cow<'static, str>>, first: Duration, longest: Duration) -> Outage {
        let what = what.into();
        Outage { what, first, longest, wait: first, since: None, failures: 0, told: BTreeSet::new() }
    }

    /// Notes a failure and returns how long to wait before the next try.
    pub fn failed(&mut self, error: &str) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
        if self.is_news(error) {
            tracing::warn!(error, "failed to {}; it is tried again until it succeeds", self.what);
        } else {
            tracing::debug!(error, failures = self.failures, "still failing to {}", self.what);
        }
        let wait = self.wait;
        self.wait = (self.wait * 2).min(self.longest);
        wait
    }

    /// Notes a success.
    pub fn over(&mut self) {
        self.wait = self.first;
        self.told.clear();
        if let Some(since) = self.since.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(failures = self.failures, seconds, "succeeded again to {}", self.what);
            self.failures = 0;
        }
    }

    /// Whether the error was not told of this outage yet.
    fn is_news(&mut self, error: &str) -> bool {
        self.told.len() < MAX_TOLD && self.told.insert(error.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_start_over() {
        let mut outage = Outage::new("try", Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..5).map(|_| outage.failed("no").as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        outage.over();
        assert_eq!(outage.failed("no").as_secs(), 1);
    }

    #[test]
    fn the_same_error_is_news_once() {
        let mut outage = Outage::new("try", Duration::from_secs(1), Duration::from_secs(5));
        let news: Vec<bool> =
            ["refused", "refused", "forbidden", "refused"].map(|error| outage.is_news(error)).into();
        assert_eq!(news, [true, false, true, false]);
        outage.over();
        assert!(outage.is_news("forbidden"));
    }
}
