//! Table columns of cronjobs.

use crate::columns::{Column, Row, age_of, cells, containers};
use api_types::batch::v1::CronJob;
use rules::selector::shown;

/// Columns as clients see them.
pub const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::field("Schedule", "k8s.io.api.batch.v1.CronJobSpec", "schedule"),
    Column::field("Timezone", "k8s.io.api.batch.v1.CronJobSpec", "timeZone"),
    Column::field("Suspend", "k8s.io.api.batch.v1.CronJobSpec", "suspend").of("boolean"),
    Column::field("Active", "k8s.io.api.batch.v1.CronJobStatus", "active").of("integer"),
    Column::field("Last Schedule", "k8s.io.api.batch.v1.CronJobStatus", "lastScheduleTime"),
    Column::AGE,
    Column::text("Containers", "Names of each container in the template.").wide(),
    Column::text("Images", "Images referenced by each container in the template.").wide(),
    Column::field("Selector", "k8s.io.api.batch.v1.JobSpec", "selector").wide(),
];

/// A cron job as a row.
pub fn row(cron_job: &CronJob, now: jiff::Timestamp) -> Row {
    let template = &cron_job.spec.job_template.spec;
    let (names, images) = containers(&template.template.spec.containers);
    let suspended = match cron_job.spec.suspend {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    cells![
        cron_job.metadata.name.as_str(),
        cron_job.spec.schedule.as_str(),
        cron_job.spec.time_zone.as_deref().unwrap_or("<none>"),
        suspended,
        cron_job.status.active.len(),
        cron_job
            .status
            .last_schedule_time
            .map_or_else(|| "<none>".to_owned(), |time| rules::duration::since(time, now)),
        age_of(&cron_job.metadata, now),
        names,
        images,
        shown(template.selector.as_deref()),
    ]
}
