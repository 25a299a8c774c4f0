//! Cases of Jobs, played through with pods that do as they are told.

use std::sync::Arc;

use api_types::batch::v1::Job;
use api_types::core::v1::{Pod, PodStatus};
use jiff::{Timestamp, ToSpan};
use machinery::{Message, Time};
use runtime::plan::{Outcome, Verb};
use runtime::{Action, Controller};
use serde_json::{Value, json};

use super::backoff::History;
use super::gather::{Inputs, Jobs};
use super::indexes::{FAILURES, index_of};
use super::orphans;
use super::plan::{TRACKING, is_held};
use super::replaces_failed_only;

struct World {
    job: Job,
    pods: Vec<Pod>,
    history: History,
    now: Timestamp,
    made: usize,
    said: Vec<String>,
}

fn job(extra: Value) -> Job {
    let mut spec = json!({"parallelism": 1, "completions": 1, "backoffLimit": 6, "selector": {"matchLabels": {"job": "j"}},
        "template": {"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    Job::from_value(
        &json!({"metadata": {"namespace": "ns", "name": "j", "uid": "u", "generation": 1}, "spec": spec}),
    )
    .unwrap()
}

impl World {
    fn new(extra: Value) -> World {
        let mut world = World {
            job: job(extra),
            pods: Vec::new(),
            history: History::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            made: 0,
            said: Vec::new(),
        };
        world.settle();
        world
    }

    fn inputs(&mut self, reversed: bool) -> Inputs {
        let mut candidates: Vec<Arc<Pod>> = self.pods.iter().cloned().map(Arc::new).collect();
        if reversed {
            candidates.reverse();
        }
        self.history.observe(replaces_failed_only(&self.job), &candidates);
        Inputs { job: Arc::new(self.job.clone()), candidates, failures: self.history.failures() }
    }

    /// One pass; false when there was nothing to do.
    fn pass(&mut self) -> bool {
        let finished = rules::batch::v1::job::meaning::is_finished(&self.job);
        if finished {
            return false;
        }
        let inputs = self.inputs(false);
        let plan = Jobs::plan(&inputs, self.now);
        let other = self.inputs(true);
        let other = format!("{:?}", Jobs::plan(&other, self.now).stages);
        assert_eq!(format!("{:?}", plan.stages), other, "the order of inputs does not matter");
        let concluded = Jobs::conclude(&inputs, &Outcome::default(), self.now);
        let mut did = false;
        for action in plan.stages.into_iter().flatten().chain(concluded) {
            did = true;
            self.apply(&action);
        }
        self.said.extend(plan.notes.into_iter().map(|note| note.reason));
        did
    }

    fn apply(&mut self, action: &Action) {
        match &action.verb {
            Verb::Create { .. } => {
                let mut pod = action.created::<Pod>().unwrap().clone();
                self.made += 1;
                pod.metadata.name = format!("{}{}", pod.metadata.generate_name, self.made);
                pod.metadata.uid.clone_from(&pod.metadata.name);
                pod.metadata.creation_timestamp = Time::from(self.now);
                pod.status.phase = "Pending".into();
                self.pods.push(pod);
            }
            Verb::Delete { target, .. } => {
                let now = Time::from(self.now);
                let pod = self.pods.iter_mut().find(|pod| pod.metadata.name == target.name);
                pod.expect("exists").metadata.deletion_timestamp = Some(now);
            }
            Verb::Patch { target, patch, .. } => {
                assert!(patch.value().to_string().contains("$deleteFromPrimitiveList/finalizers"));
                let pod = self.pods.iter_mut().find(|pod| pod.metadata.name == target.name);
                pod.expect("exists").metadata.finalizers.retain(|finalizer| finalizer != TRACKING);
            }
            Verb::Replace { .. } => {
                let (subresource, job) = action.replaced::<Job>().unwrap();
                assert_eq!(subresource, "status");
                self.job = job.clone();
            }
            verb @ Verb::Post { .. } => panic!("{verb:?}"),
        }
        self.said.extend(
            action.on_success.iter().filter(|_| action.success_as_it_stands).map(|n| n.reason.clone()),
        );
    }

    /// Until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..30 {
            if !self.pass() {
                return;
            }
        }
        panic!("never done: {:?}", self.job.status.conditions);
    }

    /// The pods that are going end.
    fn reap(&mut self) {
        for pod in self.pods.iter_mut().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            if pod.status.phase != "Succeeded" {
                pod.status.phase = "Failed".into();
            }
        }
        self.settle();
        self.pods.retain(|pod| pod.metadata.deletion_timestamp.is_none() || is_held(pod));
        self.settle();
    }

    fn later(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).unwrap();
        self.settle();
    }

    fn active(&self) -> Vec<&Pod> {
        let active = |pod: &&Pod| rules::core::v1::pod::meaning::is_active(pod);
        self.pods.iter().filter(active).collect()
    }

    fn indexes(&self) -> Vec<i32> {
        let mut indexes: Vec<i32> = self.active().into_iter().filter_map(index_of).collect();
        indexes.sort_unstable();
        indexes
    }

    /// The active pod of that index (or the first one) ends with an exit code.
    fn exit(&mut self, index: Option<i32>, code: i32) {
        let now = Time::from(self.now).to_string();
        let mut fitting = self.pods.iter_mut().filter(|pod| {
            rules::core::v1::pod::meaning::is_active(pod) && (index.is_none() || index_of(pod) == index)
        });
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let status = json!({"phase": phase, "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": now}}}]});
        fitting.next().expect("an active pod").status = PodStatus::from_value(&status).unwrap();
        self.settle();
    }

    fn conditions(&self) -> Vec<String> {
        let mut conditions: Vec<_> = self.job.status.conditions.iter().collect();
        conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        conditions.iter().map(|c| format!("{}={} {}", c.type_, c.status, c.reason)).collect()
    }

    /// active, ready, terminating, succeeded, failed
    fn counts(&self) -> (i32, Option<i32>, Option<i32>, i32, i32) {
        let status = &self.job.status;
        (status.active, status.ready, status.terminating, status.succeeded, status.failed)
    }
}

#[test]
fn a_job_completes() {
    let mut world = World::new(json!({"parallelism": 2, "completions": 3}));
    assert_eq!(world.counts(), (2, Some(0), Some(0), 0, 0));
    assert!(world.job.status.start_time.is_some());
    assert!(world.pods.iter().all(is_held));
    world.exit(None, 0);
    assert_eq!(world.counts(), (2, Some(0), Some(0), 1, 0));
    world.exit(None, 0);
    assert_eq!(world.active().len(), 1, "no more than are missing");
    world.exit(None, 0);
    assert_eq!(
        world.conditions(),
        ["Complete=True CompletionsReached", "SuccessCriteriaMet=True CompletionsReached"]
    );
    assert_eq!(world.counts(), (0, Some(0), Some(0), 3, 0));
    assert!(world.job.status.completion_time.is_some());
    assert!(!world.pods.iter().any(is_held), "every pod is let go");
    assert_eq!(world.said, ["Completed"]);
}

#[test]
fn nothing_to_complete_is_complete() {
    let world = World::new(json!({"completions": 0}));
    assert_eq!(world.conditions().len(), 2);
    assert_eq!(world.made, 0);
}

#[test]
fn without_completions_one_success_is_enough() {
    let mut world = World::new(json!({"parallelism": 3, "completions": null}));
    assert_eq!(world.active().len(), 3);
    world.exit(None, 0);
    assert_eq!((world.active().len(), world.made), (2, 3), "none is started again");
    world.exit(None, 1);
    world.exit(None, 0);
    assert_eq!(world.conditions()[0], "Complete=True CompletionsReached");
    assert_eq!(world.counts(), (0, Some(0), Some(0), 2, 1));
}

#[test]
fn failures_are_replaced_with_growing_distance_up_to_the_limit() {
    let mut world = World::new(json!({"backoffLimit": 2}));
    world.exit(None, 1);
    assert_eq!((world.active().len(), world.job.status.failed), (0, 1));
    world.later(9);
    assert_eq!(world.active().len(), 0);
    world.later(1);
    assert_eq!(world.active().len(), 1);
    world.exit(None, 1);
    world.later(19);
    assert_eq!(world.active().len(), 0);
    world.later(1);
    assert_eq!(world.active().len(), 1);
    world.exit(None, 1);
    assert_eq!(
        world.conditions(),
        ["Failed=True BackoffLimitExceeded", "FailureTarget=True BackoffLimitExceeded"]
    );
    assert_eq!(world.counts(), (0, Some(0), Some(0), 0, 3));
    assert_eq!(world.said, ["BackoffLimitExceeded"]);
}

#[test]
fn restarts_in_place_count_too() {
    let template = json!({"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c"}]}});
    let mut world = World::new(json!({"backoffLimit": 3, "template": template}));
    let status = json!({"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2}]});
    world.pods[0].status = PodStatus::from_value(&status).unwrap();
    world.settle();
    assert_eq!(world.active().len(), 1);
    world.pods[0].status.container_statuses[0].restart_count = 3;
    world.settle();
    assert_eq!(world.conditions(), ["FailureTarget=True BackoffLimitExceeded"], "the pod is still going");
    assert_eq!(world.counts(), (0, Some(0), Some(1), 0, 1));
    world.reap();
    assert_eq!(world.conditions()[0], "Failed=True BackoffLimitExceeded");
}

#[test]
fn the_deadline_ends_it() {
    let mut world = World::new(json!({"activeDeadlineSeconds": 60, "parallelism": 2, "completions": 2}));
    let inputs = world.inputs(false);
    assert_eq!(Jobs::plan(&inputs, world.now).requeue_after, Some(std::time::Duration::from_secs(60)));
    world.later(59);
    assert_eq!(world.active().len(), 2);
    world.later(1);
    assert_eq!(world.active().len(), 0);
    world.reap();
    assert_eq!(world.conditions()[0], "Failed=True DeadlineExceeded");
    assert_eq!(world.counts(), (0, Some(0), Some(0), 0, 2));
}

#[test]
fn suspension_lets_pods_go_without_counting_them() {
    let mut world = World::new(json!({"parallelism": 2, "completions": 2, "activeDeadlineSeconds": 100}));
    world.job.spec.suspend = Some(true);
    world.settle();
    assert_eq!(world.conditions(), ["Suspended=True JobSuspended"]);
    assert_eq!(world.counts(), (0, Some(0), Some(2), 0, 0));
    assert_eq!(world.job.status.start_time, None);
    world.reap();
    world.later(1000);
    assert_eq!(world.counts(), (0, Some(0), Some(0), 0, 0));
    world.job.spec.suspend = Some(false);
    world.settle();
    assert_eq!(world.conditions(), ["Suspended=False JobResumed"]);
    assert_eq!(world.job.status.start_time, Some(Time::from(world.now)));
    assert_eq!(world.active().len(), 2);
    assert_eq!(world.said, ["Suspended", "Resumed"]);
}

#[test]
fn deleted_pods_are_replaced_at_once_or_when_they_have_ended() {
    for (policy, after_delete, after_end) in [("TerminatingOrFailed", 1, 1), ("Failed", 0, 1)] {
        let mut world = World::new(json!({"podReplacementPolicy": policy}));
        world.pods[0].metadata.deletion_timestamp = Some(Time::from(world.now));
        world.settle();
        world.later(10);
        assert_eq!(world.active().len(), after_delete, "{policy}");
        world.reap();
        world.later(10);
        assert_eq!((world.active().len(), world.job.status.failed), (after_end, 1), "{policy}");
    }
}

#[test]
fn every_index_gets_one_pod() {
    let mut world = World::new(json!({"completionMode": "Indexed", "parallelism": 3, "completions": 5}));
    assert_eq!(world.indexes(), [0, 1, 2]);
    let pod = &world.pods[1];
    assert_eq!((pod.metadata.generate_name.as_str(), pod.spec.hostname.as_str()), ("j-1-", "j-1"));
    assert_eq!(pod.metadata.labels["batch.kubernetes.io/job-completion-index"], "1");
    assert_eq!(pod.spec.containers[0].env[0].name, "JOB_COMPLETION_INDEX");
    world.exit(Some(1), 0);
    assert_eq!(world.job.status.completed_indexes, "1");
    assert_eq!(world.indexes(), [0, 2, 3]);
    for index in [0, 2, 3, 4] {
        world.exit(Some(index), 0);
    }
    assert_eq!(world.job.status.completed_indexes, "0-4");
    assert_eq!(world.conditions()[0], "Complete=True CompletionsReached");
}

#[test]
fn doubles_of_an_index_go() {
    let mut world = World::new(json!({"completionMode": "Indexed", "parallelism": 2, "completions": 2}));
    let mut double = world.pods[0].clone();
    (double.metadata.name, double.metadata.uid) = ("double".into(), "double".into());
    double.spec.node_name = "n".into();
    double.status.phase = "Running".into();
    world.pods.push(double);
    world.settle();
    let names: Vec<_> = world.active().iter().map(|pod| pod.metadata.name.clone()).collect();
    assert_eq!(names, ["j-1-2", "double"], "the one that runs stays");
}

#[test]
fn an_indexed_job_can_shrink_and_grow() {
    let mut world = World::new(json!({"completionMode": "Indexed", "parallelism": 2, "completions": 2}));
    (world.job.spec.parallelism, world.job.spec.completions) = (Some(4), Some(4));
    world.settle();
    assert_eq!(world.indexes(), [0, 1, 2, 3]);
    world.exit(Some(3), 0);
    (world.job.spec.parallelism, world.job.spec.completions) = (Some(2), Some(2));
    world.settle();
    world.reap();
    assert_eq!((world.indexes(), world.job.status.completed_indexes.as_str()), (vec![0, 1], ""));
    world.exit(Some(0), 0);
    world.exit(Some(1), 0);
    assert_eq!(world.counts(), (0, Some(0), Some(0), 2, 0));
    assert_eq!(world.conditions()[0], "Complete=True CompletionsReached");
}

#[test]
fn each_index_has_a_limit_of_its_own() {
    let mut world = World::new(
        json!({"completionMode": "Indexed", "parallelism": 2, "completions": 2, "backoffLimitPerIndex": 1, "backoffLimit": 2147483647}),
    );
    assert_eq!(world.pods[0].metadata.annotations[FAILURES], "0");
    world.exit(Some(0), 1);
    assert!(is_held(&world.pods[0]), "it stays until its count is taken over");
    world.later(10);
    assert_eq!(world.indexes(), [0, 1]);
    assert!(!is_held(&world.pods[0]));
    let replacement = world.active().into_iter().find(|pod| index_of(pod) == Some(0)).unwrap();
    assert_eq!(replacement.metadata.annotations[FAILURES], "1");
    world.exit(Some(0), 1);
    assert_eq!(world.job.status.failed_indexes.as_deref(), Some("0"));
    assert_eq!(world.indexes(), [1], "a failed index is not tried again");
    world.exit(Some(1), 0);
    assert_eq!(world.conditions()[0], "Failed=True FailedIndexes");
    assert_eq!((world.job.status.completed_indexes.as_str(), world.job.status.failed), ("1", 2));
}

#[test]
fn too_many_failed_indexes_end_it() {
    let mut world = World::new(
        json!({"completionMode": "Indexed", "parallelism": 3, "completions": 3, "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "backoffLimit": 2147483647}),
    );
    world.exit(Some(0), 1);
    assert_eq!(world.indexes(), [1, 2]);
    world.exit(Some(1), 1);
    world.reap();
    assert_eq!(world.conditions()[0], "Failed=True MaxFailedIndexesExceeded");
    assert_eq!(world.job.status.failed_indexes.as_deref(), Some("0,1"));
}

#[test]
fn failures_are_judged_by_policy() {
    let rules = json!({"podFailurePolicy": {"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}});
    let mut world = World::new(rules.clone());
    world.exit(None, 42);
    assert_eq!(world.conditions()[0], "Failed=True PodFailurePolicy");
    assert_eq!(
        world.job.status.conditions[0].message,
        "Container c for pod ns/j-1 failed with exit code 42 matching FailJob rule at index 0"
    );
    let mut world = World::new(rules);
    let status = json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]});
    world.pods[0].status = PodStatus::from_value(&status).unwrap();
    world.settle();
    world.later(10);
    assert_eq!((world.active().len(), world.job.status.failed), (1, 0), "it does not count");
    assert!(!is_held(&world.pods[0]));
}

#[test]
fn success_is_judged_by_policy() {
    let rules = json!([{"succeededIndexes": "0,2-3", "succeededCount": 2}]);
    let mut world = World::new(
        json!({"completionMode": "Indexed", "parallelism": 4, "completions": 4, "successPolicy": {"rules": rules}}),
    );
    world.exit(Some(1), 0);
    world.exit(Some(2), 0);
    assert_eq!(world.conditions(), [""; 0]);
    world.exit(Some(0), 0);
    assert_eq!(world.conditions(), ["SuccessCriteriaMet=True SuccessPolicy"]);
    world.reap();
    assert_eq!(world.conditions()[0], "Complete=True SuccessPolicy");
    assert_eq!(world.counts(), (0, Some(0), Some(0), 3, 0), "those that were stopped have not failed");
    assert_eq!(world.job.status.conditions[0].message, "Matched rules at index 0");
}

#[test]
fn many_ends_are_counted_in_portions() {
    let mut world = World::new(json!({"parallelism": 700, "completions": 700}));
    assert_eq!(world.made, 700);
    for pod in &mut world.pods {
        pod.status.phase = "Succeeded".into();
    }
    assert!(world.pass());
    let uncounted = world.job.status.uncounted_terminated_pods.as_deref().unwrap().succeeded.len();
    assert_eq!(uncounted, 500);
    world.settle();
    assert_eq!(world.counts(), (0, Some(0), Some(0), 700, 0));
    assert_eq!(world.conditions()[0], "Complete=True CompletionsReached");
}

#[test]
fn a_failed_stage_leaves_the_numbers_as_they_are() {
    let mut world = World::new(json!({"parallelism": 2, "completions": 2}));
    world.job.spec.parallelism = Some(0);
    let inputs = world.inputs(false);
    let outcome = Outcome { failed_stage: Some(0), ..Outcome::default() };
    assert!(Jobs::conclude(&inputs, &outcome, world.now).is_empty());
}

#[test]
fn a_going_job_makes_nothing_and_holds_nothing() {
    let mut world = World::new(json!({"parallelism": 2, "completions": 2}));
    world.job.metadata.deletion_timestamp = Some(Time::from(world.now));
    world.pods.pop();
    world.settle();
    assert_eq!(world.made, 2);
    assert!(!world.pods.iter().any(is_held));
}

#[test]
fn pods_whose_job_does_not_count_are_let_go() {
    let world = World::new(json!({}));
    let pod = Arc::new(world.pods[0].clone());
    let check = |job: Option<Job>, expected: usize| {
        let plan = orphans::plan(&orphans::Inputs { pod: Arc::clone(&pod), job: job.map(Arc::new) });
        assert_eq!(plan.actions().count(), expected);
    };
    check(Some(world.job.clone()), 0);
    check(None, 1);
    let mut finished = world.job.clone();
    finished.status = api_types::batch::v1::JobStatus::from_value(
        &json!({"conditions": [{"type": "Complete", "status": "True"}]}),
    )
    .unwrap();
    check(Some(finished.clone()), 1);
    finished.spec.managed_by = Some("example.com/other".into());
    check(Some(finished), 0);
}
