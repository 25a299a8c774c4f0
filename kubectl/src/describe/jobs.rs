//! Jobs and cron jobs.

use machinery::table::human_duration;
use serde_json::Value;

use super::read::{controller, number, or_none, present, scalar, scalar_or, selector_text, truth_or_unset};
use super::{Around, Page, template};
use crate::{Result, values};

/// Finished indexes are cut after so many characters.
const INDEXES_SHOWN: usize = 50;

/// Writes the page of a job.
pub fn job(job: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.field(0, "Name", values::name(job));
    page.field(0, "Namespace", values::namespace(job));
    page.field(0, "Selector", selector_text(job, "/spec/selector"));
    page.metadata_maps(job);
    if let Some(controller) = controller(job) {
        page.field(0, "Controlled By", controller);
    }
    when_set("Parallelism", job, "/spec/parallelism", page);
    page.field(0, "Completions", scalar_or(job, "/spec/completions", "<unset>"));
    when_set("Completion Mode", job, "/spec/completionMode", page);
    when_set("Suspend", job, "/spec/suspend", page);
    when_set("Backoff Limit", job, "/spec/backoffLimit", page);
    when_set("TTL Seconds After Finished", job, "/spec/ttlSecondsAfterFinished", page);
    let times = [("Start Time", "/status/startTime"), ("Completed At", "/status/completionTime")];
    for (label, pointer) in times {
        if present(job, pointer) {
            page.field(0, label, page.time(job, pointer));
        }
    }
    if let [Ok(start), Ok(end)] =
        times.map(|(_, pointer)| values::text(job, pointer).parse::<jiff::Timestamp>())
    {
        page.field(0, "Duration", human_duration(end.duration_since(start).as_secs()));
    }
    if let Some(seconds) = scalar(job, "/spec/activeDeadlineSeconds") {
        page.field(0, "Active Deadline Seconds", format!("{seconds}s"));
    }
    let ready = match scalar(job, "/status/ready") {
        Some(ready) => format!(" ({ready} Ready)"),
        None => String::new(),
    };
    let count = |field: &str| number(job, &format!("/status/{field}"));
    let (active, succeeded, failed) = (count("active"), count("succeeded"), count("failed"));
    page.field(
        0,
        "Pods Statuses",
        format!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"),
    );
    if values::text(job, "/spec/completionMode") == "Indexed" {
        page.field(0, "Completed Indexes", indexes(values::text(job, "/status/completedIndexes")));
    }
    template::describe(job, "/spec/template", page);
    Ok(())
}

fn when_set(label: &str, object: &Value, pointer: &str, page: &mut Page) {
    if let Some(text) = scalar(object, pointer) {
        page.field(0, label, text);
    }
}

fn indexes(list: &str) -> String {
    match list.get(INDEXES_SHOWN..).and_then(|rest| rest.find(',')) {
        Some(at) => format!("{}...", list.get(..=INDEXES_SHOWN + at).unwrap_or_default()),
        None => or_none(list).to_owned(),
    }
}

/// Writes the page of a cron job.
pub fn cron_job(cron: &Value, _: &Around, page: &mut Page) -> Result<()> {
    page.identity(cron);
    page.field(0, "Schedule", values::text(cron, "/spec/schedule"));
    page.field(0, "Concurrency Policy", values::text(cron, "/spec/concurrencyPolicy"));
    page.field(0, "Suspend", truth_or_unset(cron, "/spec/suspend"));
    for (label, pointer, unit) in [
        ("Time Zone", "/spec/timeZone", ""),
        ("Successful Job History Limit", "/spec/successfulJobsHistoryLimit", ""),
        ("Failed Job History Limit", "/spec/failedJobsHistoryLimit", ""),
        ("Starting Deadline Seconds", "/spec/startingDeadlineSeconds", "s"),
    ] {
        let text = scalar(cron, pointer).map(|text| format!("{text}{unit}"));
        page.field(0, label, text.as_deref().unwrap_or("<unset>"));
    }
    let job = cron.pointer("/spec/jobTemplate").unwrap_or(&Value::Null);
    let selector = present(job, "/spec/selector").then(|| selector_text(job, "/spec/selector"));
    page.field(0, "Selector", selector.as_deref().unwrap_or("<unset>"));
    page.field(0, "Parallelism", scalar_or(job, "/spec/parallelism", "<unset>"));
    page.field(0, "Completions", scalar_or(job, "/spec/completions", "<unset>"));
    if let Some(seconds) = scalar(job, "/spec/activeDeadlineSeconds") {
        page.field(0, "Active Deadline Seconds", format!("{seconds}s"));
    }
    template::describe(job, "/spec/template", page);
    if present(cron, "/status/lastScheduleTime") {
        page.field(0, "Last Schedule Time", page.time(cron, "/status/lastScheduleTime"));
    } else {
        page.field(0, "Last Schedule Time", "<unset>");
    }
    let active = values::list(cron, "/status/active").iter().map(|job| values::text(job, "/name"));
    page.field(0, "Active Jobs", or_none(&active.collect::<Vec<_>>().join(", ")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::indexes;

    #[test]
    fn long_lists_of_indexes_are_cut_at_a_comma() {
        let long = (0..40).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(indexes(""), "<none>");
        assert_eq!(indexes("0-3,5"), "0-3,5");
        assert_eq!(indexes(&long), "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,...");
    }
}
