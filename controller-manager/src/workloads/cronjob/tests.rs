//! Cases of CronJobs, played through.

use std::sync::Arc;

use api_types::batch::v1::{CronJob, Job, JobStatus};
use jiff::Timestamp;
use machinery::{Message, Time};
use runtime::plan::{Outcome, Verb};
use runtime::{Action, Controller};
use serde_json::{Value, json};

use super::gather::{CronJobs, Inputs};

struct World {
    cron: CronJob,
    jobs: Vec<Job>,
    now: Timestamp,
    said: Vec<String>,
}

impl World {
    fn new(extra: Value) -> World {
        let mut spec = json!({"schedule": "0 * * * *", "timeZone": "Etc/UTC", "concurrencyPolicy": "Allow",
            "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"completions": 7}}});
        if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
            spec.extend(extra);
        }
        let metadata =
            json!({"namespace": "ns", "name": "c", "uid": "u", "creationTimestamp": "2026-01-05T09:30:00Z"});
        World {
            cron: CronJob::from_value(&json!({"metadata": metadata, "spec": spec})).unwrap(),
            jobs: Vec::new(),
            now: "2026-01-05T09:30:00Z".parse().unwrap(),
            said: Vec::new(),
        }
    }

    fn inputs(&self) -> Inputs {
        Inputs { cron: Arc::new(self.cron.clone()), jobs: self.jobs.iter().cloned().map(Arc::new).collect() }
    }

    /// Passes at that time of the day until nothing is done; what was done, in short.
    fn at(&mut self, clock: &str) -> String {
        self.now = format!("2026-01-05T{clock}:00Z").parse().unwrap();
        let mut done = Vec::new();
        for _ in 0..10 {
            let inputs = self.inputs();
            let plan = CronJobs::plan(&inputs, self.now);
            let concluded = CronJobs::conclude(&inputs, &Outcome::default(), self.now);
            self.said.extend(plan.notes.iter().map(|note| note.reason.clone()));
            if plan.stages.is_empty() && concluded.is_empty() {
                return done.join(" ");
            }
            for action in plan.actions().chain(&concluded) {
                done.extend(self.apply(action));
            }
        }
        panic!("never done: {:?}", self.cron.status);
    }

    fn apply(&mut self, action: &Action) -> Option<String> {
        match &action.verb {
            Verb::Create { .. } => {
                let mut job = action.created::<Job>().unwrap().clone();
                job.metadata.uid.clone_from(&job.metadata.name);
                job.status.start_time = Some(Time::from(self.now));
                self.jobs.push(job);
                Some("+".to_owned())
            }
            Verb::Delete { target, .. } => {
                let place = self.jobs.iter().position(|job| job.metadata.name == target.name).unwrap();
                self.jobs.remove(place);
                Some(format!("-{place}"))
            }
            Verb::Replace { .. } => {
                self.cron = action.replaced::<CronJob>().unwrap().1.clone();
                None
            }
            verb => panic!("{verb:?}"),
        }
    }

    fn finish(&mut self, place: usize, condition: &str) {
        let time = Time::from(self.now).to_string();
        let mut status = json!({"startTime": self.jobs[place].status.start_time.unwrap().to_string(),
            "conditions": [{"type": condition, "status": "True"}]});
        if condition == "Complete" {
            status["completionTime"] = json!(time);
        }
        self.jobs[place].status = JobStatus::from_value(&status).unwrap();
    }

    fn last(&self) -> String {
        self.cron.status.last_schedule_time.map(|time| time.to_string()).unwrap_or_default()
    }
}

#[test]
fn a_job_is_made_when_it_is_due() {
    let mut world = World::new(json!({"timeZone": "Europe/Berlin"}));
    assert_eq!(world.at("09:59"), "");
    assert_eq!(world.at("10:00"), "+");
    assert_eq!((world.cron.status.active.len(), world.last().as_str()), (1, "2026-01-05T10:00:00Z"));
    let job = &world.jobs[0];
    assert_eq!(job.metadata.name, "c-29460120");
    let annotation = &job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(annotation, "2026-01-05T11:00:00+01:00");
    assert_eq!((job.metadata.labels["a"].as_str(), job.spec.completions), ("b", Some(7)));
    let next = CronJobs::plan(&world.inputs(), world.now).requeue_after;
    assert_eq!(next, Some(std::time::Duration::from_millis(3_600_100)));
    assert_eq!(world.at("10:30"), "");
    world.finish(0, "Complete");
    assert_eq!(world.at("10:40"), "");
    assert!(world.cron.status.active.is_empty());
    assert_eq!(world.cron.status.last_successful_time.unwrap().to_string(), "2026-01-05T10:30:00Z");
    assert_eq!(world.said, ["SawCompletedJob"]);
}

#[test]
fn only_the_latest_missed_moment_is_made_up_for() {
    let mut world = World::new(json!({}));
    assert_eq!(world.at("14:20"), "+");
    assert_eq!(world.last(), "2026-01-05T14:00:00Z");
    let mut world = World::new(json!({"startingDeadlineSeconds": 600}));
    assert_eq!(world.at("14:20"), "", "too late");
    assert_eq!(world.at("15:05"), "+");
}

#[test]
fn what_is_running_may_be_in_the_way() {
    for (policy, expected, left) in [("Allow", "+", 2), ("Forbid", "", 1), ("Replace", "-0 +", 1)] {
        let mut world = World::new(json!({"concurrencyPolicy": policy}));
        world.at("10:00");
        assert_eq!(world.at("11:00"), expected, "{policy}");
        assert_eq!((world.jobs.len(), world.cron.status.active.len()), (left, left), "{policy}");
        assert_eq!(world.said.contains(&"JobAlreadyActive".to_owned()), policy == "Forbid");
    }
}

#[test]
fn old_jobs_go() {
    let mut world = World::new(json!({"successfulJobsHistoryLimit": 1}));
    for (clock, end, expected) in [
        ("10:00", "Complete", "+"),
        ("11:00", "Failed", "+"),
        ("12:00", "Complete", "+"),
        ("13:00", "Failed", "-0 +"),
    ] {
        assert_eq!(world.at(clock), expected);
        let last = world.jobs.len() - 1;
        world.finish(last, end);
    }
    assert_eq!(world.at("13:30"), "-0");
    assert_eq!(world.jobs.len(), 2);
}

#[test]
fn nothing_is_made_while_suspended_or_going_or_unreadable() {
    let check = |change: &dyn Fn(&mut CronJob), expected: &str, said: &[&str]| {
        let mut world = World::new(json!({}));
        change(&mut world.cron);
        assert_eq!(world.at("10:00"), expected);
        assert_eq!(world.said, said);
    };
    check(&|_| {}, "+", &[]);
    check(&|cron| cron.spec.suspend = Some(true), "", &[]);
    check(&|cron| cron.metadata.deletion_timestamp = Some(cron.metadata.creation_timestamp), "", &[]);
    check(&|cron| cron.spec.schedule = "x".into(), "", &["UnparseableSchedule"]);
    check(&|cron| cron.spec.time_zone = Some("x".into()), "", &["UnknownTimeZone"]);
    check(&|cron| cron.spec.schedule = "0 0 31 2 *".into(), "", &["InvalidSchedule"]);
}

#[test]
fn jobs_of_users_are_told_and_missing_ones_forgotten() {
    let mut world = World::new(json!({}));
    world.at("10:00");
    let mut manual = world.jobs[0].clone();
    (manual.metadata.name, manual.metadata.uid) = ("manual".into(), "manual".into());
    world.jobs = vec![manual];
    world.at("10:10");
    assert!(world.cron.status.active.is_empty());
    assert_eq!(world.said[..2], ["UnexpectedJob", "MissingJob"]);
    assert_eq!(world.last(), "2026-01-05T10:00:00Z", "it is not made again");
}

#[test]
fn a_write_that_failed_is_made_up_for() {
    let mut world = World::new(json!({}));
    world.at("10:00");
    world.cron.status = Default::default();
    assert_eq!(world.at("10:00"), "");
    assert_eq!((world.cron.status.active.len(), world.last().as_str()), (1, "2026-01-05T10:00:00Z"));
}
