//! Schedules in cron's words, and the moments they name.
//!
//! Source: `github.com/robfig/cron/v3` (`parser.go`, `spec.go`) with its standard options.

use jiff::{Timestamp, ToSpan, Unit, Zoned, civil, tz::TimeZone};

/// Bits of the allowed values of one field; [`STAR`] marks a field that allows all.
type Bits = u64;
const STAR: Bits = 1 << 63;
/// How far ahead a moment is looked for.
const YEARS: i16 = 5;

/// When something is to happen again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At times of the day on days of the month or week.
    Times {
        /// Allowed minutes, hours, days of the month, months and days of the week.
        fields: Fields,
        /// Zone named in the schedule itself.
        zone: Option<String>,
    },
    /// After a fixed time, in seconds.
    Every(i64),
}

/// Allowed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    minute: Bits,
    hour: Bits,
    day: Bits,
    month: Bits,
    weekday: Bits,
}

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

fn number(text: &str) -> Result<u32, String> {
    let number: i64 = text.parse().map_err(|_| {
        format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")
    })?;
    u32::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let lower = text.to_lowercase();
    let named = bounds.names.iter().zip(bounds.min..).find(|(name, _)| **name == lower);
    named.map_or_else(|| number(text), |(_, value)| Ok(value))
}

fn range(text: &str, bounds: &Bounds) -> Result<Bits, String> {
    let (span, step) = match text.split_once('/') {
        None => (text, None),
        Some((_, step)) if step.contains('/') => return Err(format!("too many slashes: {text}")),
        Some((span, step)) => (span, Some(step)),
    };
    let (low, high) = match span.split_once('-') {
        None => (span, None),
        Some((_, high)) if high.contains('-') => return Err(format!("too many hyphens: {text}")),
        Some((low, high)) => (low, Some(high)),
    };
    let mut extra = 0;
    let (start, mut end) = if low == "*" || low == "?" {
        extra = STAR;
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(low, bounds)?;
        (start, high.map_or(Ok(start), |high| number_or_name(high, bounds))?)
    };
    let step = match step {
        None => 1,
        Some(step) => {
            let step = number(step)?;
            // "5/15" means from 5 to the end.
            if high.is_none() {
                end = bounds.max;
            }
            if step > 1 {
                extra = 0;
            }
            step
        }
    };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    let step = usize::try_from(step)
        .ok()
        .filter(|step| *step > 0)
        .ok_or_else(|| format!("step of range should be a positive number: {text}"))?;
    Ok((start..=end).step_by(step).fold(extra, |bits, value| bits | 1 << value))
}

fn field(text: &str, bounds: &Bounds) -> Result<Bits, String> {
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |bits, part| Ok(bits | range(part, bounds)?))
}

fn parse_fields(text: &str) -> Result<Fields, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = parts[..] else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", parts.len(), parts.join(" ")));
    };
    Ok(Fields {
        minute: field(minute, &MINUTES)?,
        hour: field(hour, &HOURS)?,
        day: field(day, &DAYS)?,
        month: field(month, &MONTHS)?,
        weekday: field(weekday, &WEEKDAYS)?,
    })
}

fn descriptor(text: &str) -> Result<Schedule, String> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(duration) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let parsed: machinery::Duration =
                duration.parse().map_err(|error| format!("failed to parse duration {text}: {error}"))?;
            return Ok(Schedule::Every((parsed.nanos / 1_000_000_000).max(1)));
        }
    };
    Ok(Schedule::Times { fields: parse_fields(fields)?, zone: None })
}

impl Schedule {
    /// Reads a schedule; the error is upstream's.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let (mut rest, mut zone) = (text, None);
        if let Some(named) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
            let (name, after) =
                named.split_once(' ').ok_or_else(|| format!("unknown format of schedule {text:?}"))?;
            TimeZone::get(name)
                .map_err(|_| format!("provided bad location {name}: unknown time zone {name}"))?;
            (rest, zone) = (after.trim(), Some(name.to_owned()));
        }
        if rest.starts_with('@') {
            return descriptor(rest);
        }
        Ok(Schedule::Times { fields: parse_fields(rest)?, zone })
    }

    /// The first moment after `after`, in `zone` unless the schedule names its own; `None` when there is none in five years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (fields, named) = match self {
            Schedule::Every(seconds) => {
                return after.round(Unit::Second).ok().and_then(|_| every(after, *seconds));
            }
            Schedule::Times { fields, zone } => (fields, zone),
        };
        let own = named.as_deref().and_then(|name| TimeZone::get(name).ok());
        fields.next(after.to_zoned(own.unwrap_or_else(|| zone.clone())))
    }
}

fn every(after: Timestamp, seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(after.as_second().checked_add(seconds)?).ok()
}

fn has(bits: Bits, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0)
}

fn midnight(date: civil::Date, zone: &TimeZone) -> Option<Zoned> {
    date.to_zoned(zone.clone()).ok()
}

impl Fields {
    fn day_allowed(&self, date: civil::Date) -> bool {
        let (by_day, by_weekday) =
            (has(self.day, date.day()), has(self.weekday, date.weekday().to_sunday_zero_offset()));
        if self.day & STAR != 0 || self.weekday & STAR != 0 {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        }
    }

    fn next(&self, after: Zoned) -> Option<Timestamp> {
        let zone = after.time_zone().clone();
        let last_year = after.year().checked_add(YEARS)?;
        let into_minute = (i64::from(after.second()), i64::from(after.subsec_nanosecond()));
        let mut at = after
            .checked_sub(into_minute.0.seconds().nanoseconds(into_minute.1))
            .ok()?
            .checked_add(1.minute())
            .ok()?;
        while at.year() <= last_year {
            let date = at.date();
            if !has(self.month, at.month()) {
                at = midnight(date.last_of_month().tomorrow().ok()?, &zone)?;
            } else if !self.day_allowed(date) {
                at = midnight(date.tomorrow().ok()?, &zone)?;
            } else if !has(self.hour, at.hour()) {
                // By the clock that never jumps, so that hours a change of clocks repeats are seen twice.
                at = at.checked_add((60 - i64::from(at.minute())).minutes()).ok()?;
            } else if !has(self.minute, at.minute()) {
                at = at.checked_add(1.minute()).ok()?;
            } else {
                return Some(at.timestamp());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: &str, after: &str, expected: &str) {
        let after: Timestamp = after.parse().expect("a time");
        let next = Schedule::parse(schedule).expect("a schedule").next(after, &TimeZone::UTC);
        assert_eq!(next.map(|next| next.to_string()).as_deref(), Some(expected), "{schedule}");
    }

    #[track_caller]
    fn refuse(schedule: &str, expected: &str) {
        assert_eq!(Schedule::parse(schedule).unwrap_err(), expected);
    }

    #[test]
    fn moments() {
        check("* * * * *", "2026-01-31T23:59:30Z", "2026-02-01T00:00:00Z");
        check("*/15 * * * *", "2026-01-31T10:45:00Z", "2026-01-31T11:00:00Z");
        check("20-35/15 * * * *", "2026-01-31T10:21:00Z", "2026-01-31T10:35:00Z");
        check("0 9 * * mon-fri", "2026-01-30T09:00:00Z", "2026-02-02T09:00:00Z");
        check("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
        check("0 0 13 * 5", "2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z");
        check("0 0 1,15 * 3", "2026-02-02T00:00:00Z", "2026-02-04T00:00:00Z");
        check("@hourly", "2026-01-31T10:45:00Z", "2026-01-31T11:00:00Z");
        check("@every 1h30m", "2026-01-31T10:45:12Z", "2026-01-31T12:15:12Z");
        let never = Schedule::parse("0 0 31 2 *").expect("a schedule");
        assert_eq!(never.next("2026-01-01T00:00:00Z".parse().expect("a time"), &TimeZone::UTC), None);
    }

    #[test]
    fn broken() {
        refuse("", "empty spec string");
        refuse("* * *", "expected exactly 5 fields, found 3: [* * *]");
        refuse("60 * * * *", "end of range (60) above maximum (59): 60");
        refuse("* * 0 * *", "beginning of range (0) below minimum (1): 0");
        refuse("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3");
        refuse("*/0 * * * *", "step of range should be a positive number: */0");
        refuse("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax");
        refuse("@never", "unrecognized descriptor: @never");
    }
}
