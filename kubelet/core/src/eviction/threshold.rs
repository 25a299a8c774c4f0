//! Thresholds as the configuration writes them: `memory.available: 100Mi`, `nodefs.available: 10%`.

use std::collections::BTreeMap;
use std::time::Duration;

use machinery::Quantity;

use super::{Observation, Signal};

/// The hard thresholds of a node whose configuration names none.
pub const DEFAULT_HARD: [(&str, &str); 5] = [
    ("memory.available", "100Mi"),
    ("nodefs.available", "10%"),
    ("nodefs.inodesFree", "5%"),
    ("imagefs.available", "15%"),
    ("imagefs.inodesFree", "5%"),
];

/// An amount, or a part of the capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Quantity(u64),
    /// 0 to 1.
    Part(f64),
}

impl Amount {
    /// The amount for a capacity.
    pub fn of(self, capacity: u64) -> u64 {
        match self {
            Amount::Quantity(value) => value,
            #[expect(
                clippy::cast_sign_loss,
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "parts are between 0 and 1"
            )]
            Amount::Part(part) => (capacity as f64 * part) as u64,
        }
    }
}

/// A limit below which the node is under pressure.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    pub signal: Signal,
    pub value: Amount,
    /// How long it must have been met; zero for a hard threshold.
    pub grace: Duration,
    /// What must be free beyond the value before the pressure is over.
    pub minimum_reclaim: Option<Amount>,
}

impl Threshold {
    /// Whether less is available than the threshold asks for.
    pub(super) fn is_met(&self, observation: &Observation, was_met: bool) -> bool {
        let mut wanted = self.value.of(observation.capacity);
        if was_met && let Some(reclaim) = self.minimum_reclaim {
            wanted = wanted.saturating_add(reclaim.of(observation.capacity));
        }
        observation.available < wanted
    }
}

/// A threshold that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    #[error("unsupported eviction signal {0}")]
    Signal(String),
    #[error("eviction threshold {signal} must be a positive quantity or percentage, got {value:?}")]
    Value { signal: String, value: String },
    #[error("grace period must be specified for the soft eviction threshold {0}")]
    MissingGrace(String),
    #[error("invalid eviction grace period specified: {0:?}, must be a positive value")]
    Grace(String),
}

/// All thresholds of a configuration.
pub fn parse_thresholds(
    hard: &BTreeMap<String, String>,
    soft: &BTreeMap<String, String>,
    soft_grace: &BTreeMap<String, String>,
    minimum_reclaim: &BTreeMap<String, String>,
) -> Result<Vec<Threshold>, ThresholdError> {
    let mut reclaims = BTreeMap::new();
    for (name, value) in minimum_reclaim {
        reclaims.insert(signal(name)?, amount(name, value)?);
    }
    let mut thresholds = Vec::new();
    for (name, value) in hard {
        let signal = signal(name)?;
        if matches!(value.as_str(), "0%" | "100%" | "0") {
            // Upstream's way to switch a threshold off.
            continue;
        }
        thresholds.push(Threshold {
            signal,
            value: amount(name, value)?,
            grace: Duration::ZERO,
            minimum_reclaim: reclaims.get(&signal).copied(),
        });
    }
    for (name, value) in soft {
        let signal = signal(name)?;
        let grace = soft_grace.get(name).ok_or_else(|| ThresholdError::MissingGrace(name.clone()))?;
        let grace = parse_grace(grace).ok_or_else(|| ThresholdError::Grace(grace.clone()))?;
        thresholds.push(Threshold {
            signal,
            value: amount(name, value)?,
            grace,
            minimum_reclaim: reclaims.get(&signal).copied(),
        });
    }
    Ok(thresholds)
}

fn signal(name: &str) -> Result<Signal, ThresholdError> {
    Signal::from_name(name).ok_or_else(|| ThresholdError::Signal(name.to_owned()))
}

fn amount(signal: &str, text: &str) -> Result<Amount, ThresholdError> {
    let refuse = || ThresholdError::Value { signal: signal.to_owned(), value: text.to_owned() };
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().map_err(|_| refuse())?;
        return if (0.0..=100.0).contains(&percent) {
            Ok(Amount::Part(percent / 100.0))
        } else {
            Err(refuse())
        };
    }
    let quantity = Quantity::parse(text).map_err(|_| refuse())?;
    if quantity.sign() < 0 {
        return Err(refuse());
    }
    u64::try_from(quantity.value()).map(Amount::Quantity).map_err(|_| refuse())
}

/// `1m30s` and the like; the configuration writes grace periods as Go durations.
fn parse_grace(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, tail) = rest.split_at(digits);
        let units = [("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let (unit, seconds) = units.iter().find(|(unit, _)| tail.starts_with(unit))?;
        let value: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(value * seconds).ok()?)?;
        rest = tail.strip_prefix(unit)?;
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let check = |signal: &str, value: &str, expected: Result<usize, &str>| {
            let hard = [(signal.to_owned(), value.to_owned())].into();
            let empty = BTreeMap::new();
            let found = parse_thresholds(&hard, &empty, &empty, &empty);
            assert_eq!(
                found.map(|list| list.len()).map_err(|error| error.to_string()),
                expected.map_err(str::to_owned)
            );
        };
        check("memory.available", "100Mi", Ok(1));
        check("memory.available", "5%", Ok(1));
        check("memory.available", "0%", Ok(0));
        check("cpu.available", "1", Err("unsupported eviction signal cpu.available"));
        check(
            "memory.available",
            "lots",
            Err(
                "eviction threshold memory.available must be a positive quantity or percentage, got \"lots\"",
            ),
        );
        check(
            "memory.available",
            "150%",
            Err(
                "eviction threshold memory.available must be a positive quantity or percentage, got \"150%\"",
            ),
        );
    }

    #[test]
    fn grace_periods() {
        let seconds = |text: &str| parse_grace(text).map(|grace| grace.as_secs());
        assert_eq!(
            ["1m30s", "2h", "90s", "", "x", "1"].map(seconds),
            [Some(90), Some(7200), Some(90), None, None, None]
        );
    }
}
