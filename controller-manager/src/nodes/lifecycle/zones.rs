//! How zones fare: when many nodes fail at once, the fault is more likely ours, and evicting slows down
//! or stops.

use std::collections::{BTreeMap, HashMap};

use api_types::core::v1::Node;
use jiff::Timestamp;

use crate::options::NodeOptions;

/// How a zone fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Most nodes are fine.
    Normal,
    /// Many are not.
    Partial,
    /// None is.
    Full,
}

/// What a look at all zones means for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing beyond the rates.
    None,
    /// Every zone failed: nobody is evicted any more.
    AllFailed,
    /// Some recovered after all had failed: silence counts anew.
    Recovered,
}

/// Rates as the flags set them.
#[derive(Clone, Copy, Debug)]
struct Rates {
    normal: f64,
    secondary: f64,
    large: usize,
    unhealthy: f32,
}

/// One eviction at once, refilled at a rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    at: Timestamp,
}

/// All zones.
pub(super) struct Zones {
    rates: Rates,
    states: HashMap<String, State>,
    buckets: HashMap<String, Bucket>,
}

/// Region and zone of a node.
pub(super) fn zone_of(node: &Node) -> String {
    let label = |name: &str, legacy: &str| {
        let labels = &node.metadata.labels;
        labels.get(name).or_else(|| labels.get(legacy)).cloned().unwrap_or_default()
    };
    let region = label("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
    let zone = label("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
}

impl Zones {
    pub(super) fn new(options: &NodeOptions) -> Zones {
        let rates = Rates {
            normal: f64::from(options.node_eviction_rate),
            secondary: f64::from(options.secondary_node_eviction_rate),
            large: options.large_cluster_size_threshold,
            unhealthy: options.unhealthy_zone_threshold,
        };
        Zones { rates, states: HashMap::new(), buckets: HashMap::new() }
    }

    /// Takes in which nodes are ready, by zone.
    pub(super) fn update(&mut self, ready: &BTreeMap<String, Vec<bool>>, now: Timestamp) -> Change {
        let next: HashMap<String, State> =
            ready.iter().map(|(zone, nodes)| (zone.clone(), self.state(nodes))).collect();
        self.states.retain(|zone, _| next.contains_key(zone));
        let all_were_full =
            self.states.values().all(|state| *state == State::Full) && !self.states.is_empty();
        let all_are_full = next.values().all(|state| *state == State::Full) && !next.is_empty();
        let change = match (all_were_full, all_are_full) {
            (false, true) => Change::AllFailed,
            (true, false) => Change::Recovered,
            _ => Change::None,
        };
        for (zone, state) in next {
            let size = ready.get(&zone).map_or(0, Vec::len);
            let rate = match state {
                _ if all_are_full => 0.0,
                State::Normal => self.rates.normal,
                // A zone that failed wholly while others live is evicted at the full rate.
                State::Full => self.rates.normal,
                State::Partial if size > self.rates.large => self.rates.secondary,
                State::Partial => 0.0,
            };
            self.set_rate(&zone, rate, now);
            if self.states.insert(zone.clone(), state) != Some(state) {
                tracing::info!(zone = zone.replace('\0', ""), ?state, "zone is now in new state");
            }
        }
        change
    }

    fn state(&self, ready: &[bool]) -> State {
        let bad = ready.iter().filter(|ready| !**ready).count();
        if bad > 0 && bad == ready.len() {
            State::Full
        } else if bad > 2 && bad as f32 / ready.len() as f32 >= self.rates.unhealthy {
            State::Partial
        } else {
            State::Normal
        }
    }

    fn set_rate(&mut self, zone: &str, rate: f64, now: Timestamp) {
        let bucket = self.buckets.entry(zone.to_owned()).or_insert(Bucket { rate, tokens: 1.0, at: now });
        if bucket.rate != rate {
            // A new limiter starts full, as upstream's does.
            *bucket = Bucket { rate, tokens: if rate > 0.0 { 1.0 } else { 0.0 }, at: now };
        }
    }

    /// Whether every zone failed.
    pub(super) fn all_failed(&self) -> bool {
        !self.states.is_empty() && self.states.values().all(|state| *state == State::Full)
    }

    /// Whether another node of the zone may be evicted now.
    pub(super) fn take(&mut self, zone: &str, now: Timestamp) -> bool {
        let normal = self.rates.normal;
        let bucket =
            self.buckets.entry(zone.to_owned()).or_insert(Bucket { rate: normal, tokens: 1.0, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * bucket.rate).min(1.0);
        bucket.at = now;
        if bucket.rate <= 0.0 || bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}
