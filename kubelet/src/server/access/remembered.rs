//! Answers of reviews, kept for a while so that the API server is not asked for every request.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

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
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock();
        entries.get(key).filter(|(_, until)| *until > Instant::now()).map(|(value, _)| value.clone())
    }

    /// Keeps an answer; not at all for a time of zero.
    pub(super) fn put(&self, key: K, value: V, time: Duration) {
        if time.is_zero() {
            return;
        }
        let now = Instant::now();
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

    #[tokio::test(start_paused = true)]
    async fn answers_end() {
        let remembered = Remembered::new();
        remembered.put("a", 1, Duration::from_secs(10));
        remembered.put("b", 2, Duration::ZERO);
        assert_eq!((remembered.get(&"a"), remembered.get(&"b")), (Some(1), None));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(remembered.get(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let remembered = Remembered::new();
        for number in 0..3 * MOST {
            remembered.put(number, (), Duration::from_secs(10));
        }
        assert!(remembered.entries.lock().len() <= MOST);
        assert_eq!(remembered.get(&(3 * MOST - 1)), Some(()));
    }
}
