//! When a CronJob is due: the last moment it missed, and the next one to come.

use std::time::Duration;

use api_types::batch::v1::CronJob;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rules::batch::v1::cron_job::schedule::Schedule;

/// Looked at a little late, so that clocks that differ a little do not matter.
const SLACK: Duration = Duration::from_millis(100);
/// More missed moments than this are worth a warning.
const MANY: i64 = 100;

/// A schedule with the zone it is read in.
pub(super) struct Times {
    schedule: Schedule,
    zone: TimeZone,
}

/// Why a CronJob makes no Jobs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Nobody knows its zone.
    Zone(String),
    /// Its schedule cannot be read.
    Schedule(String),
}

/// Reads the schedule; its zone is the field's, the one it names itself, or that of this machine.
pub(super) fn read(cron: &CronJob) -> Result<Times, Unusable> {
    let zone = match cron.spec.time_zone.as_deref() {
        None => TimeZone::system(),
        Some(name) => TimeZone::get(name)
            .map_err(|_| Unusable::Zone(format!("invalid timeZone: {name:?}: unknown time zone {name}")))?,
    };
    let text = &cron.spec.schedule;
    let schedule = Schedule::parse(text)
        .map_err(|error| Unusable::Schedule(format!("unparseable schedule: {text:?} : {error}")))?;
    Ok(Times { schedule, zone })
}

/// How the moments missed so far look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    since: Timestamp,
    /// The last moment that is not in the future.
    pub latest: Option<Timestamp>,
    any: bool,
    /// So many that something must be wrong.
    pub many: bool,
}

impl Times {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, &self.zone)
    }

    /// The moments since the last Job was made, or since the deadline for starting late.
    ///
    /// The moments are not counted one by one, for there may be very many: their number is estimated by the
    /// distance of the first two.
    pub(super) fn missed(
        &self,
        cron: &CronJob,
        now: Timestamp,
        with_deadline: bool,
    ) -> Result<Missed, String> {
        let made = cron.status.last_schedule_time.unwrap_or(cron.metadata.creation_timestamp);
        let mut since = made.to_timestamp().unwrap_or(now);
        if let Some(seconds) = cron.spec.starting_deadline_seconds.filter(|_| with_deadline) {
            since = since.max(now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(since));
        }
        let none = Missed { since, latest: None, any: false, many: false };
        let never = "time difference between two schedules is less than 1 second";
        let first = self.next(since).ok_or(never)?;
        if now < first {
            return Ok(none);
        }
        let second = self.next(first).ok_or(never)?;
        if now < second {
            return Ok(Missed { latest: Some(first), ..none });
        }
        let between = second.duration_since(first).as_secs();
        if between < 1 {
            return Err(never.to_owned());
        }
        let count = now.duration_since(first).as_secs() / between + 1;
        // Back by one more, for moments that are not evenly apart; further back when there were none since.
        let mut back = (count - 2).max(0);
        let mut latest = None;
        while latest.is_none() {
            let near = first.checked_add(SignedDuration::from_secs(back.saturating_mul(between)));
            let mut at = near.ok().and_then(|near| self.next(near));
            while let Some(moment) = at.filter(|moment| *moment <= now) {
                latest = Some(moment);
                at = self.next(moment);
            }
            if back == 0 {
                break;
            }
            back /= 2;
        }
        Ok(Missed { since, latest, any: count > 0, many: count > MANY })
    }

    /// How long until the next moment after those missed.
    pub(super) fn delay(&self, cron: &CronJob, now: Timestamp) -> Option<Duration> {
        let from = match self.missed(cron, now, false) {
            Err(_) => now,
            Ok(missed) => missed.latest.unwrap_or(if missed.any { now } else { missed.since }),
        };
        let left = self.next(from)?.duration_since(now);
        Some(Duration::try_from(left).unwrap_or(Duration::ZERO) + SLACK)
    }
}

/// How long until the CronJob is due next; none when it never is.
pub(super) fn next_delay(cron: &CronJob, now: Timestamp) -> Option<Duration> {
    read(cron).ok()?.delay(cron, now)
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// `last` was made; `deadline` for starting late. Expected: the latest missed moment and whether they are many.
    #[track_caller]
    fn check(schedule: &str, deadline: Option<i64>, now: &str, expected: Option<&str>, many: bool) {
        let cron = json!({"metadata": {"creationTimestamp": "2026-01-05T10:00:00Z"},
            "spec": {"schedule": schedule, "timeZone": "Etc/UTC", "startingDeadlineSeconds": deadline}});
        let cron = CronJob::from_value(&cron).unwrap();
        let missed = read(&cron).unwrap().missed(&cron, at(now), true).unwrap();
        assert_eq!((missed.latest, missed.many), (expected.map(at), many), "{schedule} {now}");
    }

    #[test]
    fn the_latest_missed_moment_counts() {
        check("0 * * * *", None, "2026-01-05T10:59:59Z", None, false);
        check("0 * * * *", None, "2026-01-05T11:00:00Z", Some("2026-01-05T11:00:00Z"), false);
        check("0 * * * *", None, "2026-01-05T14:30:00Z", Some("2026-01-05T14:00:00Z"), false);
        check("0 * * * *", None, "2026-02-05T14:30:00Z", Some("2026-02-05T14:00:00Z"), true);
        check("0 * * * *", Some(60), "2026-02-05T14:30:00Z", None, false);
        check("30 6-16/4 * * 1-5", None, "2026-01-10T12:00:00Z", Some("2026-01-09T14:30:00Z"), false);
        check("@every 7m", None, "2026-01-05T10:30:00Z", Some("2026-01-05T10:28:00Z"), false);
    }

    #[test]
    fn the_next_moment_is_waited_for() {
        let cron = json!({"metadata": {"creationTimestamp": "2026-01-05T10:00:00Z"}, "spec": {"schedule": "0 * * * *", "timeZone": "Etc/UTC"}});
        let cron = CronJob::from_value(&cron).unwrap();
        let expected = Duration::from_secs(30 * 60) + SLACK;
        assert_eq!(next_delay(&cron, at("2026-01-05T10:30:00Z")), Some(expected));
        assert_eq!(next_delay(&cron, at("2026-01-05T14:30:00Z")), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let reason = |spec: serde_json::Value| {
            let cron = CronJob::from_value(&json!({"spec": spec})).unwrap();
            read(&cron).err().unwrap()
        };
        assert_eq!(
            reason(json!({"schedule": "* * * * *", "timeZone": "Mars/North"})),
            Unusable::Zone("invalid timeZone: \"Mars/North\": unknown time zone Mars/North".into())
        );
        assert!(matches!(reason(json!({"schedule": "* *"})), Unusable::Schedule(_)));
        let never = json!({"metadata": {"creationTimestamp": "2026-01-05T10:00:00Z"}, "spec": {"schedule": "0 0 31 2 *"}});
        let cron = CronJob::from_value(&never).unwrap();
        assert!(read(&cron).unwrap().missed(&cron, at("2026-01-06T10:00:00Z"), true).is_err());
    }
}
