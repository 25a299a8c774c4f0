//! `metav1.Time`, `metav1.MicroTime` and `metav1.Duration`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::Offset;
use thiserror::Error;

use crate::wire::{Reader, VARINT, WireError, Writer};

/// Text that is not a time or duration in the form the API accepts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("parsing time {text:?}: want RFC 3339, such as 2006-01-02T15:04:05Z")]
    Time {
        /// The text.
        text: String,
    },
    /// Not a Go duration.
    #[error("time: invalid duration {text:?}: want a number with a unit, such as 300ms, 1.5h or 2h45m")]
    Duration {
        /// The text.
        text: String,
    },
}

macro_rules! time_type {
    ($(#[$doc:meta])* $name:ident, $nanos:expr, $print:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Seconds since the Unix epoch, UTC.
            pub seconds: i64,
            /// Nanoseconds within the second, 0 to 999,999,999.
            pub nanos: i32,
        }

        impl $name {
            /// True for Go's zero time, which JSON shows as `null`.
            pub fn is_zero(&self) -> bool {
                self.seconds == 0 && self.nanos == 0
            }

            /// The instant, or `None` for the zero time and for seconds outside of jiff's range.
            pub fn to_timestamp(&self) -> Option<Timestamp> {
                if self.is_zero() { None } else { Timestamp::new(self.seconds, self.nanos).ok() }
            }

            /// Puts the fields of the protobuf message; the zero time has none.
            pub fn write(&self, out: &mut Writer) {
                if !self.is_zero() {
                    let keep: fn(i32) -> i32 = $nanos;
                    out.put_varint_field(2, i64::from(keep(self.nanos)) as u64);
                    out.put_varint_field(1, self.seconds as u64);
                }
            }

            /// Takes in the fields of the protobuf message.
            pub fn merge(&mut self, bytes: &[u8]) -> Result<(), WireError> {
                let mut reader = Reader::new(bytes);
                while let Some((number, wire)) = reader.tag()? {
                    match number {
                        1 => self.seconds = reader.expect_varint(wire)? as i64,
                        2 => {
                            const KEEP: fn(i32) -> i32 = $nanos;
                            self.nanos = KEEP(reader.expect_varint(wire)? as i32);
                        }
                        _ => reader.skip(wire)?,
                    }
                }
                Ok(())
            }
        }

        impl From<Timestamp> for $name {
            fn from(instant: Timestamp) -> Self {
                let keep: fn(i32) -> i32 = $nanos;
                // jiff's parts share their sign; the API wants nanoseconds that count forward.
                let (mut seconds, mut nanos) = (instant.as_second(), instant.subsec_nanosecond());
                if nanos < 0 {
                    seconds -= 1;
                    nanos += 1_000_000_000;
                }
                Self { seconds, nanos: keep(nanos) }
            }
        }

        impl FromStr for $name {
            type Err = TimeError;

            fn from_str(text: &str) -> Result<Self, TimeError> {
                parse_rfc3339(text)
                    .map(Self::from)
                    .ok_or_else(|| TimeError::Time { text: text.to_owned() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let instant = Timestamp::new(self.seconds, self.nanos).unwrap_or(Timestamp::UNIX_EPOCH);
                let civil = Offset::UTC.to_datetime(instant);
                let (date, time) = (civil.date(), civil.time());
                write!(
                    f,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                    date.year(), date.month(), date.day(), time.hour(), time.minute(), time.second()
                )?;
                let fraction: fn(&mut fmt::Formatter<'_>, i32) -> fmt::Result = $print;
                fraction(f, self.nanos)?;
                f.write_str("Z")
            }
        }
    };
}

time_type!(
    /// An instant with the precision of a second, as JSON and storage keep it.
    Time,
    |_| 0,
    |_, _| Ok(())
);
time_type!(
    /// An instant with the precision of a microsecond.
    MicroTime,
    |nanos| nanos - nanos % 1000,
    |f, nanos| write!(f, ".{:06}", nanos / 1000)
);

/// RFC 3339 only: jiff alone would take more (spaces, other separators, zone names).
fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[16] == b':'
        && !text.contains('[');
    if shape { text.parse().ok() } else { None }
}

/// A length of time, in nanoseconds; JSON has Go's text form (`1m30s`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    /// Nanoseconds.
    pub nanos: i64,
}

impl Duration {
    /// Puts the fields of the protobuf message.
    pub fn write(&self, out: &mut Writer) {
        out.put_varint_field(1, self.nanos as u64);
    }

    /// Takes in the fields of the protobuf message.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, VARINT) => self.nanos = reader.varint()? as i64,
                _ => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    /// As the standard library's type; a negative length is none.
    pub fn to_std(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }
}

impl From<std::time::Duration> for Duration {
    fn from(length: std::time::Duration) -> Self {
        Self { nanos: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX) }
    }
}

const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for Duration {
    type Err = TimeError;

    /// Go's `time.ParseDuration`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refuse = || TimeError::Duration { text: text.to_owned() };
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(refuse());
        }
        let mut total = 0i128;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
            let (number, after) = rest.split_at(digits);
            let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_end);
            let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?.1;
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
                return Err(refuse());
            }
            let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| refuse())? };
            total += whole * i128::from(scale);
            let mut place = i128::from(scale);
            for digit in fraction.bytes() {
                if !digit.is_ascii_digit() {
                    return Err(refuse());
                }
                place /= 10;
                total += i128::from(digit - b'0') * place;
            }
            rest = next;
        }
        let nanos = if negative { -total } else { total };
        i64::try_from(nanos).map(|nanos| Self { nanos }).map_err(|_| refuse())
    }
}

impl fmt::Display for Duration {
    /// Go's `Duration.String`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.nanos.unsigned_abs();
        if total == 0 {
            return f.write_str("0s");
        }
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let fraction = |value: u64, scale: u64| {
            let whole = value / scale;
            let digits = format!("{:0width$}", value % scale, width = scale.ilog10() as usize);
            let digits = digits.trim_end_matches('0');
            if value.is_multiple_of(scale) { whole.to_string() } else { format!("{whole}.{digits}") }
        };
        match total {
            0..1_000 => write!(f, "{total}ns"),
            1_000..1_000_000 => write!(f, "{}µs", fraction(total, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", fraction(total, 1_000_000)),
            _ => {
                let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
                if minutes >= 60 {
                    write!(f, "{}h{}m", minutes / 60, minutes % 60)?;
                } else if minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", fraction(rest, 1_000_000_000))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339() {
        let time: Time = "2026-01-02T03:04:05.678901+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-02T02:04:05Z");
        let micro: MicroTime = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
        assert_eq!(micro.to_string(), "2026-01-02T03:04:05.678901Z");
        for bad in
            ["", "2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "yesterday, at noon it was"]
        {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for text in ["0s", "1ns", "1.5µs", "20ms", "1.5s", "1m30s", "1h0m0s", "-2h45m0.5s", "15s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        assert_eq!("1h".parse::<Duration>().unwrap().to_string(), "1h0m0s");
        for bad in ["", "1", "s", "1d", ".s", "1m30", "99999999999999999999h"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
