//! Keeps a flood of events small: equal ones are counted, similar ones combined, and one object may
//! cause only so many (`client-go/tools/record/events_cache.go`).

use std::collections::BTreeSet;
use std::hash::Hash;

use api_types::core::v1::Event;
use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp};
use machinery::Time;

/// From this many different messages of one reason about one object they are combined …
const SIMILAR: usize = 10;
/// … when they come within this time of each other.
const SIMILAR_WITHIN: SignedDuration = SignedDuration::from_secs(600);
/// Events one source may write about one object at once.
const BURST: f64 = 25.0;
/// Events per second it may write after that: one in five minutes.
const REFILL: f64 = 1.0 / 300.0;
/// Objects remembered.
const REMEMBERED: usize = 4096;

/// An event to write: anew when its count is one, else as a change of the one of that name.
#[derive(Debug, PartialEq)]
pub(super) struct Correlated {
    pub event: Event,
    pub key: Vec<String>,
}

struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

struct Observed {
    count: i32,
    first: Time,
    name: String,
    version: String,
}

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// What was said lately.
#[derive(Default)]
pub(super) struct Correlator {
    similar: Remembered<Vec<String>, Similar>,
    observed: Remembered<Vec<String>, Observed>,
    spam: Remembered<Vec<String>, Bucket>,
}

impl Correlator {
    /// What to write for an event, `None` when it is one too many.
    pub(super) fn take(&mut self, event: Event, now: Timestamp) -> Option<Correlated> {
        let spam_key = spam_key(&event);
        let (mut event, key) = self.combine(event, now);
        if let Some(known) = self.observed.get(&key)
            && known.count > 0
        {
            event.metadata.name.clone_from(&known.name);
            event.metadata.resource_version.clone_from(&known.version);
            event.first_timestamp = known.first;
            event.count = known.count.saturating_add(1);
        }
        self.remember(key.clone(), &event);
        self.passes(spam_key, now).then_some(Correlated { event, key })
    }

    /// The server's state of an event that was written.
    pub(super) fn written(&mut self, key: Vec<String>, event: &Event) {
        self.remember(key, event);
    }

    fn remember(&mut self, key: Vec<String>, event: &Event) {
        let observed = Observed {
            count: event.count,
            first: event.first_timestamp,
            name: event.metadata.name.clone(),
            version: event.metadata.resource_version.clone(),
        };
        self.observed.put(key, observed);
    }

    fn combine(&mut self, event: Event, now: Timestamp) -> (Event, Vec<String>) {
        let mut group = spam_key(&event);
        group.extend([
            event.reason.clone(),
            event.reporting_component.clone(),
            event.reporting_instance.clone(),
        ]);
        let mut own = spam_key(&event);
        own.extend([event.involved_object.field_path.clone(), event.reason.clone(), event.message.clone()]);
        let mut similar =
            self.similar.take(&group).unwrap_or(Similar { messages: BTreeSet::new(), last: now });
        if now.duration_since(similar.last) > SIMILAR_WITHIN {
            similar.messages.clear();
        }
        similar.messages.insert(event.message.clone());
        similar.last = now;
        let combined = similar.messages.len() >= SIMILAR;
        if combined {
            similar.messages.pop_first();
        }
        self.similar.put(group.clone(), similar);
        if !combined {
            return (event, own);
        }
        let mut whole = Event {
            count: 1,
            first_timestamp: Time::from(now),
            last_timestamp: Time::from(now),
            message: format!("(combined from similar events): {}", event.message),
            ..event
        };
        whole.metadata.name = super::event_name(&whole.involved_object.name, now);
        (whole, group)
    }

    fn passes(&mut self, key: Vec<String>, now: Timestamp) -> bool {
        let mut bucket = self.spam.take(&key).unwrap_or(Bucket { tokens: BURST, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * REFILL).min(BURST);
        bucket.at = now;
        let passes = bucket.tokens >= 1.0;
        if passes {
            bucket.tokens -= 1.0;
        }
        self.spam.put(key, bucket);
        passes
    }
}

/// Source, object and type.
fn spam_key(event: &Event) -> Vec<String> {
    let (source, object) = (&event.source, &event.involved_object);
    let parts = [
        &source.component,
        &source.host,
        &object.kind,
        &object.namespace,
        &object.name,
        &object.uid,
        &object.api_version,
        &event.type_,
    ];
    parts.into_iter().cloned().collect()
}

/// A map that forgets what was not used for longest.
struct Remembered<K, V> {
    entries: HashMap<K, (V, u64)>,
    clock: u64,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Remembered { entries: HashMap::new(), clock: 0 }
    }
}

impl<K: Eq + Hash + Clone, V> Remembered<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    fn take(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(value, _)| value)
    }

    fn put(&mut self, key: K, value: V) {
        self.clock += 1;
        self.entries.insert(key, (value, self.clock));
        if self.entries.len() > REMEMBERED {
            // Forgetting an eighth at once keeps the cost of an addition constant on average.
            let mut uses: Vec<u64> = self.entries.values().map(|(_, used)| *used).collect();
            let (_, oldest_kept, _) = uses.select_nth_unstable(REMEMBERED / 8);
            let oldest_kept = *oldest_kept;
            self.entries.retain(|_, (_, used)| *used >= oldest_kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("in range")
    }

    fn event(message: &str) -> Event {
        let mut event = Event { reason: "R".into(), message: message.into(), count: 1, ..Event::default() };
        event.metadata.name = format!("p.{message}");
        event.involved_object.name = "p".into();
        event
    }

    #[test]
    fn equal_events_are_counted() {
        let mut correlator = Correlator::default();
        let counts: Vec<_> = (0..3)
            .filter_map(|second| correlator.take(event("same"), at(second)))
            .map(|correlated| (correlated.event.count, correlated.event.metadata.name))
            .collect();
        assert_eq!(counts, [(1, "p.same".to_owned()), (2, "p.same".to_owned()), (3, "p.same".to_owned())]);
    }

    #[test]
    fn similar_events_are_combined() {
        let mut correlator = Correlator::default();
        let messages: Vec<_> = (0..12)
            .filter_map(|number| correlator.take(event(&format!("m{number:02}")), at(number)))
            .map(|correlated| (correlated.event.count, correlated.event.message))
            .collect();
        assert_eq!(messages[8], (1, "m08".to_owned()));
        assert_eq!(messages[9], (1, "(combined from similar events): m09".to_owned()));
        assert_eq!(messages[11], (3, "(combined from similar events): m11".to_owned()));
        let later = correlator.take(event("later"), at(2000)).expect("written");
        assert_eq!(later.event.message, "later");
    }

    #[test]
    fn one_object_may_cause_only_so_many() {
        let mut correlator = Correlator::default();
        let written = (0..40).filter(|_| correlator.take(event("same"), at(0)).is_some()).count();
        assert_eq!(written, 25);
        assert!(correlator.take(event("same"), at(299)).is_none());
        assert!(correlator.take(event("same"), at(301)).is_some());
        let mut other = event("same");
        other.involved_object.name = "q".into();
        assert!(correlator.take(other, at(0)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let mut remembered = Remembered::default();
        for number in 0..3 * REMEMBERED {
            remembered.put(number, ());
        }
        assert!(remembered.entries.len() <= REMEMBERED);
        assert!(remembered.get(&(3 * REMEMBERED - 1)).is_some());
        assert!(remembered.get(&0).is_none());
    }
}
