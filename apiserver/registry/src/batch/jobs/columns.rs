//! Table columns of jobs.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::batch::v1::Job;
use rules::selector::shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Status", "Status of the job."),
    Column::field("Completions", "k8s.io.api.batch.v1.JobStatus", "succeeded"),
    Column::text("Duration", "Time required to complete the job."),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.batch.v1.JobSpec", "selector").wide(),
];

/// A job as a row.
pub fn row(job: &Job, now: jiff::Timestamp) -> Row {
    let succeeded = job.status.succeeded;
    let completions = match (job.spec.completions, job.spec.parallelism.unwrap_or(0)) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let duration = match (job.status.start_time, job.status.completion_time) {
        (None, _) => String::new(),
        (Some(start), None) => rules::duration::human(now.as_second() - start.seconds),
        (Some(start), Some(end)) => rules::duration::human(end.seconds - start.seconds),
    };
    let holds = |type_: &str| {
        job.status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
            .is_some_and(|condition| condition.status == "True")
    };
    let status = if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if job.metadata.deletion_timestamp.is_some() {
        "Terminating"
    } else {
        ["Suspended", "FailureTarget", "SuccessCriteriaMet"]
            .into_iter()
            .find(|type_| holds(type_))
            .unwrap_or("Running")
    };
    let (names, images) = containers(&job.spec.template.spec.containers);
    cells![
        job.metadata.name.as_str(),
        status,
        completions,
        duration,
        age_of(&job.metadata, now),
        names,
        images,
        shown(job.spec.selector.as_deref()),
    ]
}
