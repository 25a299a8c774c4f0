//! Cases; planning again after applying gives nothing; order does not matter; a deleting owner makes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apps::v1::ReplicaSet;
use api_types::core::v1::{Pod, PodCondition, PodTemplateSpec, ReplicationController};
use jiff::Timestamp;
use machinery::Time;
use machinery::meta::v1::LabelSelector;
use runtime::plan::Outcome;
use runtime::{Controller, Plan};

use super::gather::{Inputs, Replicators};
use crate::ownership::reference;

type ReplicaSets = Replicators<ReplicaSet>;

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("in range")
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), "web".to_owned())])
}

fn set(replicas: i32) -> ReplicaSet {
    let mut set = ReplicaSet::default();
    let metadata = &mut set.metadata;
    (metadata.namespace, metadata.name, metadata.uid) = ("work".into(), "web".into(), "u1".into());
    metadata.generation = 1;
    set.spec.replicas = Some(replicas);
    set.spec.selector = Some(Box::new(LabelSelector { match_labels: labels(), ..LabelSelector::default() }));
    set.spec.template.metadata.labels = labels();
    set
}

fn pod(set: &ReplicaSet, name: &str, ready: bool) -> Pod {
    let mut pod = Pod::default();
    let metadata = &mut pod.metadata;
    (metadata.namespace, metadata.name, metadata.uid) = ("work".into(), name.into(), name.into());
    metadata.labels = labels();
    metadata.owner_references = vec![reference(set)];
    pod.spec.node_name = "n1".into();
    pod.status.phase = "Running".into();
    if ready {
        let since = Time { seconds: NOW - 100, nanos: 0 };
        let condition = PodCondition {
            type_: "Ready".into(),
            status: "True".into(),
            last_transition_time: since,
            ..PodCondition::default()
        };
        pod.status.conditions.push(condition);
    }
    pod
}

fn inputs(set: ReplicaSet, pods: Vec<Pod>) -> Inputs<ReplicaSet> {
    let pods: Vec<Arc<Pod>> = pods.into_iter().map(Arc::new).collect();
    Inputs { set: Arc::new(set), candidates: pods.clone(), related: pods }
}

/// A plan in short: `+<count>`, `-<name>`, `~<name>` for patches.
fn summary(plan: &Plan) -> String {
    let mut parts = Vec::new();
    match plan.creates::<Pod>().len() {
        0 => {}
        count => parts.push(format!("+{count}")),
    }
    parts.extend(plan.deletes::<Pod>().iter().map(|name| format!("-{name}")));
    let patched = plan.actions().filter_map(runtime::Action::patched);
    parts.extend(patched.map(|(target, _, _)| format!("~{}", target.name)));
    parts.join(" ")
}

fn check(set: ReplicaSet, pods: Vec<Pod>, expected: &str) {
    let mut reversed = pods.clone();
    reversed.reverse();
    for pods in [pods, reversed] {
        assert_eq!(summary(&ReplicaSets::plan(&inputs(set.clone(), pods), now())), expected);
    }
}

#[test]
fn missing_pods_are_made_and_surplus_ones_deleted() {
    let owner = set(2);
    check(set(0), vec![], "");
    check(set(2), vec![], "+2");
    check(set(700), vec![], "+500");
    check(set(2), vec![pod(&owner, "a", true), pod(&owner, "b", true)], "");
    check(set(1), vec![pod(&owner, "a", true), pod(&owner, "b", false)], "-b");
    let mut ended = pod(&owner, "a", true);
    ended.status.phase = "Failed".into();
    check(set(1), vec![ended], "+1");
    let mut going = pod(&owner, "a", true);
    going.metadata.deletion_timestamp = Some(Time::from(now()));
    check(set(1), vec![going], "+1");
}

#[test]
fn pods_are_adopted_and_released() {
    let owner = set(1);
    let mut orphan = pod(&owner, "orphan", true);
    orphan.metadata.owner_references.clear();
    check(set(1), vec![orphan], "~orphan");
    let mut strayed = pod(&owner, "strayed", true);
    strayed.metadata.labels.clear();
    check(set(1), vec![strayed], "+1 ~strayed");
}

#[test]
fn a_deleting_owner_makes_nothing() {
    let mut going = set(3);
    going.metadata.deletion_timestamp = Some(Time::from(now()));
    check(going.clone(), vec![pod(&going, "a", true)], "");
}

#[test]
fn a_pod_follows_its_template() {
    let mut owner = set(1);
    owner.spec.template.spec.node_name = "n7".into();
    owner.spec.template.metadata.annotations.insert("a".into(), "b".into());
    let plan = ReplicaSets::plan(&inputs(owner, vec![]), now());
    let made = plan.creates::<Pod>()[0].clone();
    assert_eq!((made.metadata.namespace.as_str(), made.metadata.generate_name.as_str()), ("work", "web-"));
    assert_eq!(made.metadata.labels, labels());
    assert_eq!(made.metadata.annotations.len(), 1);
    assert_eq!(made.spec.node_name, "n7");
    let owner = &made.metadata.owner_references[0];
    assert_eq!(
        (owner.kind.as_str(), owner.api_version.as_str(), owner.controller),
        ("ReplicaSet", "apps/v1", Some(true))
    );
}

#[test]
fn planning_after_applying_gives_nothing() {
    let owner = set(3);
    let plan = ReplicaSets::plan(&inputs(owner.clone(), vec![]), now());
    let made = plan.creates::<Pod>().into_iter().enumerate().map(|(index, made)| {
        let mut made = made.clone();
        (made.metadata.name, made.metadata.uid) = (format!("p{index}"), format!("p{index}"));
        made
    });
    check(owner, made.collect(), "");
}

/// The status after a plan whose actions ended with `errors`.
fn status_after(set: ReplicaSet, pods: Vec<Pod>, errors: &[&str]) -> Option<ReplicaSet> {
    let errors: Vec<String> = errors.iter().map(|error| (*error).to_owned()).collect();
    let failed_stage = (!errors.is_empty()).then_some(0);
    let outcome = Outcome { errors, failed_stage, ..Outcome::default() };
    let actions = ReplicaSets::conclude(&inputs(set, pods), &outcome, now());
    let written = actions.first().and_then(|action| action.replaced::<ReplicaSet>())?;
    assert_eq!(written.0, "status");
    Some(written.1.clone())
}

#[test]
fn the_status_counts_pods_and_reports_failures() {
    let owner = set(3);
    let mut going = pod(&owner, "c", true);
    going.metadata.deletion_timestamp = Some(Time::from(now()));
    let pods = vec![pod(&owner, "a", true), pod(&owner, "b", false), going];
    let written = status_after(owner.clone(), pods.clone(), &[]).expect("written");
    let status = &written.status;
    assert_eq!((status.replicas, status.ready_replicas, status.available_replicas), (2, 1, 1));
    assert_eq!(
        (status.fully_labeled_replicas, status.terminating_replicas, status.observed_generation),
        (2, Some(1), 1)
    );
    assert!(status_after(written.clone(), pods.clone(), &[]).is_none(), "nothing changed");

    let failed = status_after(written, pods.clone(), &["quota"]).expect("written");
    let condition = &failed.status.conditions[0];
    assert_eq!(
        (condition.type_.as_str(), condition.reason.as_str(), condition.message.as_str()),
        ("ReplicaFailure", "FailedCreate", "quota")
    );
    assert!(status_after(failed.clone(), pods.clone(), &["quota"]).is_none(), "the first message stays");
    assert!(status_after(failed, pods, &[]).expect("written").status.conditions.is_empty());
}

#[test]
fn availability_is_looked_at_again() {
    let mut owner = set(1);
    owner.spec.min_ready_seconds = 110;
    let inputs = inputs(owner.clone(), vec![pod(&owner, "a", true)]);
    let plan = ReplicaSets::plan(&inputs, now());
    assert_eq!(plan.requeue_after, Some(std::time::Duration::from_secs(10)));
    let status = status_after(owner.clone(), vec![pod(&owner, "a", true)], &[]).expect("written").status;
    assert_eq!((status.ready_replicas, status.available_replicas), (1, 0));
}

#[test]
fn a_replication_controller_does_the_same() {
    let mut owner = ReplicationController::default();
    let metadata = &mut owner.metadata;
    (metadata.namespace, metadata.name, metadata.uid) = ("work".into(), "rc".into(), "u2".into());
    owner.spec.replicas = Some(2);
    owner.spec.selector = labels();
    let mut template = PodTemplateSpec::default();
    template.metadata.labels = labels();
    owner.spec.template = Some(Box::new(template));
    let inputs = |owner: &ReplicationController, pods: Vec<Pod>| {
        let pods: Vec<Arc<Pod>> = pods.into_iter().map(Arc::new).collect();
        Inputs { set: Arc::new(owner.clone()), candidates: pods.clone(), related: pods }
    };
    let plan = Replicators::<ReplicationController>::plan(&inputs(&owner, vec![]), now());
    let made: Vec<Pod> = plan.creates::<Pod>().into_iter().cloned().collect();
    assert_eq!(
        (made.len(), made[0].metadata.owner_references[0].kind.as_str()),
        (2, "ReplicationController")
    );
    assert!(Replicators::<ReplicationController>::plan(&inputs(&owner, made.clone()), now()).is_empty());
    let conclude = |owner: &ReplicationController| {
        let actions = Replicators::<ReplicationController>::conclude(
            &inputs(owner, made.clone()),
            &Outcome::default(),
            now(),
        );
        actions
            .first()
            .and_then(|action| action.replaced::<ReplicationController>())
            .map(|(_, rc)| rc.clone())
    };
    let written = conclude(&owner).expect("written");
    assert_eq!((written.status.replicas, written.status.fully_labeled_replicas), (2, 2));
    assert!(conclude(&written).is_none(), "nothing changed");
    owner.spec.selector.clear();
    assert!(Replicators::<ReplicationController>::plan(&inputs(&owner, vec![]), now()).is_empty());
}
