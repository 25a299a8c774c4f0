//! Answers of reviews, kept for a while so that the API server is not asked for every request.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Answers kept at most; past it the oldest half is forgotten, as clients of one node are few.
const MOST: usize = 4096;

/// A bounded memory with an end for each entry.
#[derive(Debug)]
pub(super) struct Remembered<K, V> {
    entries: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Remembered<K, V> {
    pub(super) fn new() -> Remembered<K, V> {
        Remembered { entries: Mutex::new(HashMap::new()) }
    }

    /// An answer that still holds.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let entries = self.entries.lock();
        entries.get(key).filter(|(_, until)| *until > now).map(|(value, _)| value.clone())
    }

    /// Keeps an answer; not at all for a time of zero.
    pub(super) fn put(&self, key: K, value: V, time: Duration, now: Instant) {
        if time.is_zero() {
            return;
        }
        let mut entries = self.entries.lock();
        if entries.len() >= MOST {
            entries.retain(|_, (_, until)| *until > now);
        }
        if entries.len() >= MOST {
            let mut ends: Vec<Instant> = entries.values().map(|(_, until)| *until).collect();
            ends.sort();
            let middle = ends.get(MOST / 2).copied().unwrap_or(now);
            entries.retain(|_, (_, until)| *until > middle);
        }
        entries.insert(key, (value, now + time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn answers_end() {
        let (remembered, now) = (Remembered::new(), Instant::now());
        remembered.put("a", 1, TEN, now);
        remembered.put("b", 2, Duration::ZERO, now);
        assert_eq!((remembered.get(&"a", now), remembered.get(&"b", now)), (Some(1), None));
        assert_eq!(remembered.get(&"a", now + TEN), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (remembered, now) = (Remembered::new(), Instant::now());
        for number in 0..3 * MOST {
            remembered.put(number, (), TEN, now + Duration::from_millis(number as u64));
        }
        assert!(remembered.entries.lock().len() <= MOST);
        assert_eq!(remembered.get(&(3 * MOST - 1), now), Some(()));
    }
}
