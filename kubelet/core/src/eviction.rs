//! Node pressure: thresholds, what they are compared with, which condition they raise, and which pod goes first.
//!
//! ```text
//!   signals ──▶ thresholds met (hard, or soft for long enough) ──▶ node conditions
//!                                │
//!                                └▶ reclaim node resources ──▶ rank pods ──▶ evict one
//! ```

mod ranking;
mod threshold;

use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashMap;
use jiff::Timestamp;

pub use self::ranking::{PodConsumption, eviction_message, rank};
pub use self::threshold::{Amount, DEFAULT_HARD, Threshold, ThresholdError, parse_thresholds};
use crate::backoff::elapsed;

/// Something measured on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    MemoryAvailable,
    NodeFsAvailable,
    NodeFsInodesFree,
    ImageFsAvailable,
    ImageFsInodesFree,
    ContainerFsAvailable,
    ContainerFsInodesFree,
    PidAvailable,
}

impl Signal {
    /// All signals, with upstream's names, the node condition each raises and the resource it stands for.
    pub const TABLE: [(Signal, &'static str, &'static str, &'static str); 8] = [
        (Signal::MemoryAvailable, "memory.available", "MemoryPressure", "memory"),
        (Signal::NodeFsAvailable, "nodefs.available", "DiskPressure", "ephemeral-storage"),
        (Signal::NodeFsInodesFree, "nodefs.inodesFree", "DiskPressure", "inodes"),
        (Signal::ImageFsAvailable, "imagefs.available", "DiskPressure", "ephemeral-storage"),
        (Signal::ImageFsInodesFree, "imagefs.inodesFree", "DiskPressure", "inodes"),
        (Signal::ContainerFsAvailable, "containerfs.available", "DiskPressure", "ephemeral-storage"),
        (Signal::ContainerFsInodesFree, "containerfs.inodesFree", "DiskPressure", "inodes"),
        (Signal::PidAvailable, "pid.available", "PIDPressure", "pids"),
    ];

    fn row(self) -> (Signal, &'static str, &'static str, &'static str) {
        let found = Signal::TABLE.iter().find(|(signal, ..)| *signal == self);
        found.copied().unwrap_or((self, "", "", ""))
    }

    /// Upstream's name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The node condition it raises.
    pub fn condition(self) -> &'static str {
        self.row().2
    }

    /// The resource it stands for.
    pub fn resource(self) -> &'static str {
        self.row().3
    }

    /// The signal of that name.
    pub fn from_name(name: &str) -> Option<Signal> {
        Signal::TABLE.iter().find(|(_, known, ..)| *known == name).map(|(signal, ..)| *signal)
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    pub available: u64,
    pub capacity: u64,
}

/// Measurements by signal.
pub type Observations = BTreeMap<Signal, Observation>;

/// What the eviction loop remembers between rounds.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    /// Since when each threshold (by place in the list) has been met.
    met_since: HashMap<usize, Timestamp>,
    /// When each node condition was last true.
    last_true: BTreeMap<&'static str, Timestamp>,
}

/// The outcome of one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Conditions that hold, such as `MemoryPressure`.
    pub conditions: Vec<&'static str>,
    /// The threshold to act on: memory before the others.
    pub act_on: Option<Threshold>,
}

impl Pressure {
    /// Compares measurements with thresholds. A condition stays for `transition` after it was last met, so that it does
    /// not flap.
    pub fn round(
        &mut self,
        thresholds: &[Threshold],
        observations: &Observations,
        transition: Duration,
        now: Timestamp,
    ) -> Verdict {
        let mut acting: Vec<&Threshold> = Vec::new();
        for (place, threshold) in thresholds.iter().enumerate() {
            let Some(observation) = observations.get(&threshold.signal) else {
                self.met_since.remove(&place);
                continue;
            };
            // Once met, it takes the minimum reclaim on top to get out again.
            let was_met = self.met_since.contains_key(&place);
            if !threshold.is_met(observation, was_met) {
                self.met_since.remove(&place);
                continue;
            }
            let since = *self.met_since.entry(place).or_insert(now);
            self.last_true.insert(threshold.signal.condition(), now);
            if elapsed(since, now) >= threshold.grace {
                acting.push(threshold);
            }
        }
        acting.sort_by_key(|threshold| {
            (threshold.signal != Signal::MemoryAvailable, !threshold.grace.is_zero())
        });
        self.last_true.retain(|_, last| *last == now || elapsed(*last, now) < transition);
        Verdict {
            conditions: self.last_true.keys().copied().collect(),
            act_on: acting.first().map(|threshold| (*threshold).clone()),
        }
    }
}

/// Seconds a pod gets when this threshold evicts it: none for a hard one, the configured most for a soft one.
pub fn grace_seconds(threshold: &Threshold, max_pod_grace: i64, pod_grace: Option<i64>) -> i64 {
    if threshold.grace.is_zero() {
        // The least the kubelet gives anybody, as upstream does since hard evictions stopped being instant kills.
        return 1;
    }
    pod_grace.map_or(max_pod_grace, |own| own.min(max_pod_grace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ago;

    fn thresholds(hard: &[(&str, &str)], soft: &[(&str, &str, &str)]) -> Vec<Threshold> {
        let map = |pairs: Vec<(&str, &str)>| -> BTreeMap<String, String> {
            pairs.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
        };
        parse_thresholds(
            &map(hard.to_vec()),
            &map(soft.iter().map(|(signal, value, _)| (*signal, *value)).collect()),
            &map(soft.iter().map(|(signal, _, grace)| (*signal, *grace)).collect()),
            &BTreeMap::new(),
        )
        .expect("valid")
    }

    fn memory(available: u64) -> Observations {
        [(Signal::MemoryAvailable, Observation { available, capacity: 1000 })].into()
    }

    #[test]
    fn hard_thresholds_act_at_once_and_conditions_linger() {
        let thresholds = thresholds(&[("memory.available", "100")], &[]);
        let mut pressure = Pressure::default();
        let transition = Duration::from_secs(300);
        let mut round = |available, at| pressure.round(&thresholds, &memory(available), transition, ago(at));
        assert_eq!(round(150, 1000), Verdict::default());
        let met = round(50, 900);
        assert_eq!((met.conditions, met.act_on.is_some()), (vec!["MemoryPressure"], true));
        let lingering = round(150, 700);
        assert_eq!((lingering.conditions, lingering.act_on.is_some()), (vec!["MemoryPressure"], false));
        assert_eq!(round(150, 500), Verdict::default());
    }

    #[test]
    fn soft_thresholds_wait_for_their_grace() {
        let thresholds = thresholds(&[], &[("memory.available", "30%", "1m")]);
        let mut pressure = Pressure::default();
        let mut acts = |available, at| {
            let verdict = pressure.round(&thresholds, &memory(available), Duration::ZERO, ago(at));
            (verdict.conditions.len(), verdict.act_on.is_some())
        };
        assert_eq!(acts(200, 200), (1, false));
        assert_eq!(acts(200, 150), (1, false));
        assert_eq!(acts(200, 140), (1, true));
        assert_eq!(acts(400, 130), (0, false));
        assert_eq!(acts(200, 120), (1, false));
    }
}
