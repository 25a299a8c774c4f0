//! Defaults of cron jobs.

use crate::batch::v1::job;
use api_types::batch::v1::CronJob;

/// Defaults of a cron job.
pub fn set(cron_job: &mut CronJob) {
    let spec = &mut cron_job.spec;
    if spec.concurrency_policy.is_empty() {
        spec.concurrency_policy = "Allow".to_owned();
    }
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    job::defaults::set_nested(&mut spec.job_template.spec);
}
