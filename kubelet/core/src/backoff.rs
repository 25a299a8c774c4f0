//! Waiting longer and longer between attempts: crash loops and image pulls.
//!
//! One table of keys; each key doubles from `initial` to `max` and is forgotten after a quiet time.

use std::time::Duration;

use hashbrown::HashMap;
use jiff::Timestamp;

/// First wait before a crashed container restarts.
pub const CRASH_LOOP_INITIAL: Duration = Duration::from_secs(10);
/// Longest wait before a crashed container restarts.
pub const CRASH_LOOP_MAX: Duration = Duration::from_secs(300);
/// A container that ran this long after its last restart starts over with the first wait.
pub const CRASH_LOOP_FORGET: Duration = Duration::from_secs(600);
/// First wait before an image is pulled again.
pub const IMAGE_PULL_INITIAL: Duration = Duration::from_secs(10);
/// Longest wait before an image is pulled again.
pub const IMAGE_PULL_MAX: Duration = Duration::from_secs(300);

/// Back-off of many keys.
#[derive(Clone, Debug)]
pub struct BackOff {
    initial: Duration,
    max: Duration,
    forget: Duration,
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    wait: Duration,
    updated: Timestamp,
}

impl BackOff {
    /// A table whose waits go from `initial` to `max` and that forgets a key after `forget`.
    pub fn new(initial: Duration, max: Duration, forget: Duration) -> BackOff {
        BackOff { initial, max, forget, entries: HashMap::new() }
    }

    /// The table for restarting containers, with the longest wait of the configuration.
    pub fn crash_loop(max: Duration) -> BackOff {
        BackOff::new(CRASH_LOOP_INITIAL.min(max), max, CRASH_LOOP_FORGET)
    }

    /// The table for pulling images.
    pub fn image_pull() -> BackOff {
        BackOff::new(IMAGE_PULL_INITIAL, IMAGE_PULL_MAX, IMAGE_PULL_MAX * 2)
    }

    /// The current wait of a key; zero when it has none.
    pub fn wait(&self, key: &str) -> Duration {
        self.entries.get(key).map_or(Duration::ZERO, |entry| entry.wait)
    }

    /// Until when a key waits after what happened at `event` (a container's end). `None` when it may go on now.
    pub fn waits_since(&self, key: &str, event: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let entry = self.entries.get(key)?;
        if elapsed(entry.updated, event) > self.forget {
            return None;
        }
        let until = later(event, entry.wait);
        (now < until).then_some(until)
    }

    /// Until when a key waits after its own last attempt. `None` when it may go on now.
    pub fn waits_since_update(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        let entry = self.entries.get(key)?;
        if elapsed(entry.updated, now) > self.forget {
            return None;
        }
        let until = later(entry.updated, entry.wait);
        (now < until).then_some(until)
    }

    /// Notes an attempt, after what happened at `event`: the wait starts or doubles.
    pub fn advance(&mut self, key: &str, event: Timestamp, now: Timestamp) {
        let wait = match self.entries.get(key) {
            Some(entry) if elapsed(entry.updated, event) <= self.forget => (entry.wait * 2).min(self.max),
            _ => self.initial,
        };
        self.entries.insert(key.to_owned(), Entry { wait, updated: now });
    }

    /// Takes up a wait that was under way when the kubelet ended: as long as after this many attempts, since `at`.
    pub fn resume(&mut self, key: &str, attempts: u32, at: Timestamp) {
        let doubled = self.initial.checked_mul(1 << attempts.saturating_sub(1).min(20)).unwrap_or(self.max);
        self.entries.insert(key.to_owned(), Entry { wait: doubled.min(self.max), updated: at });
    }

    /// Forgets a key.
    pub fn reset(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Forgets every key of a prefix (all containers of a pod).
    pub fn forget_prefix(&mut self, prefix: &str) {
        self.entries.retain(|key, _| !key.starts_with(prefix));
    }

    /// Forgets keys that have been quiet.
    pub fn collect_garbage(&mut self, now: Timestamp) {
        let forget = self.forget;
        self.entries.retain(|_, entry| elapsed(entry.updated, now) <= forget);
    }
}

/// `from` plus a length, clamped to what a timestamp can hold.
pub fn later(from: Timestamp, length: Duration) -> Timestamp {
    from.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// Time from `start` to `end`; zero when `end` is earlier.
pub fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn doubles_to_the_maximum_and_forgets() {
        let mut table = BackOff::crash_loop(CRASH_LOOP_MAX);
        let mut waits = Vec::new();
        for step in 0..7 {
            table.advance("key", at(step * 400), at(step * 400));
            waits.push(table.wait("key").as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(table.waits_since("key", at(2400), at(2500)), Some(at(2700)));
        assert_eq!(table.waits_since("key", at(2400), at(2700)), None);
        // Ten quiet minutes make it new.
        assert_eq!(table.waits_since("key", at(3001), at(3001)), None);
        table.advance("key", at(3001), at(3001));
        assert_eq!(table.wait("key").as_secs(), 10);
    }

    #[test]
    fn a_wait_goes_on_after_a_restart() {
        let mut table = BackOff::crash_loop(CRASH_LOOP_MAX);
        let wait = |table: &mut BackOff, attempts| {
            table.resume("key", attempts, at(0));
            table.wait("key").as_secs()
        };
        assert_eq!([0, 1, 2, 4, 99].map(|attempts| wait(&mut table, attempts)), [10, 10, 20, 80, 300]);
    }

    #[test]
    fn unknown_keys_never_wait() {
        let table = BackOff::image_pull();
        assert_eq!(table.waits_since("key", at(0), at(0)), None);
        assert_eq!(table.waits_since_update("key", at(0)), None);
    }
}
