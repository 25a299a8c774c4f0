//! A length of time in Go's text form (`1h30m0s`), as the configuration documents write it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A signed length of time with nanosecond steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration {
    nanoseconds: i64,
}

/// The text is not a length of time.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "invalid duration {text:?}: expected a number with a unit (ns, us, ms, s, m, h), for example \"24h0m0s\""
)]
pub struct InvalidDuration {
    text: String,
}

impl GoDuration {
    pub const fn from_secs(seconds: i64) -> Self {
        Self { nanoseconds: seconds * 1_000_000_000 }
    }

    /// The length as the standard library knows it; a negative one counts as none.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanoseconds).unwrap_or(0))
    }

    pub fn is_zero(self) -> bool {
        self.nanoseconds == 0
    }

    pub fn is_negative(self) -> bool {
        self.nanoseconds < 0
    }

    /// Whole seconds, rounded towards zero.
    pub fn whole_seconds(self) -> i64 {
        self.nanoseconds / 1_000_000_000
    }
}

const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration { text: text.to_owned() };
        let (sign, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (-1.0, &text[1..]),
            Some(b'+') => (1.0, &text[1..]),
            _ => (1.0, text),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            let unit = &rest[..letters];
            let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
            total += number * size;
            rest = &rest[letters..];
        }
        if total > i64::MAX as f64 {
            return Err(invalid());
        }
        Ok(Self { nanoseconds: (sign * total) as i64 })
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.nanoseconds.unsigned_abs();
        if total == 0 {
            return out.write_str("0s");
        }
        if self.nanoseconds < 0 {
            out.write_str("-")?;
        }
        if total < 1_000_000_000 {
            let (unit, size) = match total {
                0..1_000 => ("ns", 1.0),
                1_000..1_000_000 => ("µs", 1e3),
                _ => ("ms", 1e6),
            };
            return write!(out, "{}{unit}", total as f64 / size);
        }
        let (minutes, nanoseconds) = (total / 60_000_000_000, total % 60_000_000_000);
        if minutes >= 60 {
            write!(out, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(out, "{}m", minutes % 60)?;
        }
        write!(out, "{}s", nanoseconds as f64 / 1e9)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<GoDuration>().expect(text).to_string(), expected);
    }

    #[test]
    fn reads_and_writes_as_go_does() {
        check("24h", "24h0m0s");
        check("8760h0m0s", "8760h0m0s");
        check("1.5h", "1h30m0s");
        check("90s", "1m30s");
        check("0", "0s");
        check("0s", "0s");
        check("500ms", "500ms");
        check("-2m", "-2m0s");
        check("1m0.5s", "1m0.5s");
        check("15us", "15µs");
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        for text in ["", "5", "h", "5x", "1h5", "--1s", "1..5s", "99999999999h"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text:?} was accepted");
        }
    }
}
