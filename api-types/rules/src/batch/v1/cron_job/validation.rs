//! Validation of cron jobs.

use super::schedule::Schedule;
use crate::{batch::v1::job, core::v1::pod::validation::PodRules, meta, report::Report};
use api_types::batch::v1::{CronJob, CronJobSpec, JobTemplateSpec};
use jiff::tz::TimeZone;
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

/// Longest name: jobs get eleven more characters.
const NAME_SIZE: usize = 52;

fn validate_schedule(spec: &CronJobSpec, old: Option<&CronJobSpec>, path: &Path, errors: &mut ErrorList) {
    let schedule = &spec.schedule;
    if schedule.is_empty() {
        return errors.required(path, "");
    }
    if let Err(error) = Schedule::parse(schedule) {
        errors.invalid(path, schedule, error);
    }
    if schedule.contains("TZ") {
        let had = old.is_some_and(|old| old.schedule.contains("TZ"));
        if !had {
            errors.invalid(
                path,
                schedule,
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            );
        } else if spec.time_zone.is_some() {
            errors.invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
    }
}

fn is_zone_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    (1..=14).contains(&part.len())
        && !matches!(part, "." | "..")
        && !part.starts_with('-')
        && part.bytes().all(allowed)
}

fn validate_zone(zone: Option<&str>, path: &Path, errors: &mut ErrorList) {
    let Some(zone) = zone else { return };
    if zone.is_empty() {
        return errors.invalid(path, "", "timeZone must be nil or non-empty string");
    }
    if !zone.split('/').all(is_zone_part) {
        return errors.invalid(path, zone, format!("unknown time zone {zone}"));
    }
    if zone.eq_ignore_ascii_case("Local") {
        errors.invalid(
            path,
            zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        );
    } else if TimeZone::get(zone).is_err() {
        errors.invalid(path, zone, format!("unknown time zone {zone}"));
    }
}

fn validate_job_template(template: &JobTemplateSpec, rules: &PodRules, path: &Path, errors: &mut ErrorList) {
    let path = path.child("spec");
    job::validation::validate_shared_spec(&template.spec, &path, rules, errors);
    if let Some(selector) = &template.spec.selector {
        errors.invalid(&path.child("selector"), selector.to_value(), "`selector` will be auto-generated");
    }
    if template.spec.manual_selector == Some(true) {
        errors.not_supported_in_order(&path.child("manualSelector"), "true", &["nil", "false"]);
    }
}

fn validate_spec(spec: &CronJobSpec, old: Option<&CronJobSpec>, rules: &PodRules, errors: &mut ErrorList) {
    let path = Path::new("spec");
    validate_schedule(spec, old, &path.child("schedule"), errors);
    if let Some(seconds) = spec.starting_deadline_seconds {
        errors.non_negative(&path.child("startingDeadlineSeconds"), seconds);
    }
    if old.is_none_or(|old| old.time_zone != spec.time_zone) {
        validate_zone(spec.time_zone.as_deref(), &path.child("timeZone"), errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    match spec.concurrency_policy.as_str() {
        "" => errors.required(&path.child("concurrencyPolicy"), ""),
        policy if !policies.contains(&policy) => {
            errors.not_supported_in_order(&path.child("concurrencyPolicy"), policy, &policies)
        }
        _ => {}
    }
    validate_job_template(&spec.job_template, rules, &path.child("jobTemplate"), errors);
    for (field, limit) in [
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ] {
        errors.non_negative(&path.child(field), i64::from(limit.unwrap_or(0)));
    }
}

/// A new cron job.
pub fn validate(cron_job: &CronJob) -> ErrorList {
    let mut errors =
        meta::validate(&cron_job.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&cron_job.spec, None, &PodRules::for_template(), &mut errors);
    let name = &cron_job.metadata.name;
    if name.len() > NAME_SIZE {
        errors.invalid(&Path::of(&["metadata", "name"]), name, "must be no more than 52 characters");
    }
    errors
}

/// A changed cron job; long names of old ones stay.
pub fn validate_update(new: &CronJob, old: &CronJob) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    let rules = PodRules::for_template_update(Some(&old.spec.job_template.spec.template.spec));
    validate_spec(&new.spec, Some(&old.spec), &rules, &mut errors);
    errors
}
