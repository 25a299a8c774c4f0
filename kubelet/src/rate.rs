//! A limit on how often something may be done: so many a second, with a burst.

use tokio::time::Instant;

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled_at: Option<Instant>,
}

impl Bucket {
    /// `per_second` zero means no limit.
    pub fn new(per_second: i32, burst: i32) -> Bucket {
        let burst = f64::from(burst.max(1));
        Bucket { per_second: f64::from(per_second), burst, tokens: burst, filled_at: None }
    }

    /// Takes a token; false when there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.per_second <= 0.0 {
            return true;
        }
        let before = self.filled_at.replace(now).unwrap_or(now);
        let gained = now.saturating_duration_since(before).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, 3);
        let taken = |bucket: &mut Bucket, millis| bucket.take(start + Duration::from_millis(millis));
        assert_eq!([0, 0, 0, 0].map(|at| taken(&mut bucket, at)), [true, true, true, false]);
        assert_eq!([400, 500, 600].map(|at| taken(&mut bucket, at)), [false, true, false]);
        let mut unlimited = Bucket::new(0, 1);
        assert!((0..100).all(|_| taken(&mut unlimited, 0)));
    }
}
