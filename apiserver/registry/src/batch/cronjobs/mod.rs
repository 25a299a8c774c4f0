//! Cron jobs.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy, View, strategy::ResetFields};
use api_types::batch::v1::CronJob;
use machinery::field::ErrorList;
use machinery::field::Path;
use rules::batch::v1::cron_job::{defaults, validation};
use rules::batch::v1::job;
use rules::core::v1::pod;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CronJobs).view("status", &Status)
}

/// Strategy of the resource itself.
pub struct CronJobs;

impl Strategy for CronJobs {
    type Kind = CronJob;

    fn default(&self, object: &mut CronJob) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut CronJob) {
        object.metadata.generation = 1;
        object.status = Default::default();
        pod::fields::drop_disabled(&mut object.spec.job_template.spec.template.spec, None);
    }

    fn validate(&self, _context: &Context, object: &CronJob) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &CronJob) -> Vec<String> {
        let mut warnings = crate::warnings::for_pod_names(&object.metadata.name);
        warnings.extend(job::validation::warnings(
            &Path::of(&["spec", "jobTemplate", "spec"]),
            &object.spec.job_template.spec,
        ));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut CronJob, old: &CronJob) {
        new.status = old.status.clone();
        let (now, before) =
            (&mut new.spec.job_template.spec.template.spec, &old.spec.job_template.spec.template.spec);
        pod::fields::drop_disabled(now, Some(before));
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &CronJob, old: &CronJob) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &CronJob, old: &CronJob) -> Vec<String> {
        let mut warnings = Vec::new();
        if new.metadata.generation != old.metadata.generation {
            warnings = job::validation::warnings(
                &Path::of(&["spec", "jobTemplate", "spec"]),
                &new.spec.job_template.spec,
            );
        }
        if new.spec.schedule.contains("TZ") {
            warnings.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".to_owned());
        }
        warnings
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CronJob, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = CronJob;

    fn prepare_for_update(&self, _context: &Context, new: &mut CronJob, old: &CronJob) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, _new: &CronJob, _old: &CronJob) -> ErrorList {
        ErrorList::new()
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
