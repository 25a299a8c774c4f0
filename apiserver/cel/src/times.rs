//! Timestamps and durations, as texts and in parts.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

/// Units of Go's durations, in nanoseconds; longer names first where one begins with another.
const UNITS: &[(&str, f64)] =
    &[("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads `1h2m3.5s`.
pub(crate) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, factor) =
            UNITS.iter().filter(|(unit, _)| rest.starts_with(unit)).max_by_key(|(unit, _)| unit.len())?;
        nanoseconds += number * factor;
        rest = rest.get(unit.len()..)?;
    }
    if nanoseconds >= i64::MAX as f64 {
        return None;
    }
    let whole = nanoseconds.round() as i64;
    Some(SignedDuration::from_nanos(if negative { -whole } else { whole }))
}

/// Reads RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn civil(time: Timestamp, zone: Option<&Value>) -> Result<DateTime, EvaluationError> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some(Value::String(name)) => {
            TimeZone::get(name).map_err(|_| EvaluationError::new(format!("unknown time zone {name}")))?
        }
        Some(_) => return Err(EvaluationError::no_overload()),
    };
    Ok(zone.to_datetime(time))
}

/// `getFullYear` and its like; `None` when the name is none of them.
pub(crate) fn part(name: &str, of: &Value, zone: Option<&Value>) -> Option<Outcome> {
    if let Value::Duration(duration) = of {
        let whole = match name {
            "getHours" => duration.as_hours(),
            "getMinutes" => duration.as_mins(),
            "getSeconds" => duration.as_secs(),
            "getMilliseconds" => i64::from(duration.subsec_millis()),
            _ => return None,
        };
        return Some(Ok(Value::Int(whole)));
    }
    let Value::Timestamp(time) = of else { return None };
    let date = match civil(*time, zone) {
        Ok(date) => date,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(Value::Int(match name {
        "getFullYear" => i64::from(date.year()),
        "getMonth" => i64::from(date.month()) - 1,
        "getDate" => i64::from(date.day()),
        "getDayOfMonth" => i64::from(date.day()) - 1,
        "getDayOfWeek" => i64::from(date.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(date.date().day_of_year()) - 1,
        "getHours" => i64::from(date.hour()),
        "getMinutes" => i64::from(date.minute()),
        "getSeconds" => i64::from(date.second()),
        "getMilliseconds" => i64::from(date.millisecond()),
        _ => return None,
    })))
}
