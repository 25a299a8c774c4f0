//! Growing pauses with jitter.

use std::time::Duration;

/// From `start` doubling to `limit`, each stretched by up to itself, as client-go's reflector does it.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    start: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(start: Duration, limit: Duration) -> Backoff {
        Backoff { start, limit, next: start }
    }

    /// The next pause; `random` is in `0.0..1.0`.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let pause = self.next.mul_f64(1.0 + random.clamp(0.0, 1.0));
        self.next = (self.next * 2).min(self.limit);
        pause
    }

    /// Starts over after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        let pauses: Vec<_> = (0..4).map(|_| backoff.next(0.5).as_secs_f32()).collect();
        assert_eq!(pauses, [1.5, 3.0, 6.0, 6.0]);
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_secs(1));
    }
}
