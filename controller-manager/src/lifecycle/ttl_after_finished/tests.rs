//! Cases over state and age.

use std::sync::Arc;

use api_types::batch::v1::{Job, JobCondition};
use jiff::Timestamp;
use machinery::Time;
use runtime::{Action, Controller};

use super::gather::TtlAfterFinished;

const NOW: i64 = 1_800_000_000;

/// Deleted, or looked at again after so many seconds.
fn check(ttl: Option<i32>, condition: (&str, &str), age: i64, deleted: bool, again: Option<u64>) {
    let mut job = Job::default();
    job.metadata.resource_version = "7".into();
    job.spec.ttl_seconds_after_finished = ttl;
    job.status.conditions = vec![JobCondition {
        type_: condition.0.into(),
        status: condition.1.into(),
        last_transition_time: Time { seconds: NOW - age, nanos: 0 },
        ..JobCondition::default()
    }];
    let plan = TtlAfterFinished::plan(&Arc::new(job), Timestamp::from_second(NOW).expect("in range"));
    assert_eq!(!plan.deletes::<Job>().is_empty(), deleted);
    assert_eq!(plan.requeue_after.map(|delay| delay.as_secs()), again);
    let foreground =
        plan.actions().all(|action: &Action| format!("{:?}", action.verb).contains("Foreground"));
    assert!(foreground, "dependents go first");
}

#[test]
fn finished_jobs_go_when_their_time_is_over() {
    check(Some(100), ("Complete", "True"), 100, true, None);
    check(Some(100), ("Failed", "True"), 40, false, Some(60));
    check(Some(0), ("Complete", "True"), 0, true, None);
    check(None, ("Complete", "True"), 100, false, None);
    check(Some(0), ("Complete", "False"), 100, false, None);
    check(Some(0), ("Suspended", "True"), 100, false, None);
}
