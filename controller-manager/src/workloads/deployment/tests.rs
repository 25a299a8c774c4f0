//! Cases of rollouts.

use std::sync::Arc;

use api_types::apps::v1::{Deployment, ReplicaSet};
use jiff::Timestamp;
use machinery::Message;
use runtime::Plan;
use serde_json::{Value, json};

use super::gather::Inputs;
use super::plan::{plan, replicas};
use super::progress;

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn deployment(image: &str, count: i32, extra: Value) -> Deployment {
    let mut spec = json!({"replicas": count, "selector": {"matchLabels": {"app": "web"}}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    Deployment::from_value(
        &json!({"metadata": {"namespace": "ns", "name": "web", "uid": "d", "generation": 1}, "spec": spec}),
    )
    .unwrap()
}

struct World {
    deployment: Deployment,
    sets: Vec<ReplicaSet>,
    /// Pods get available.
    healthy: bool,
}

impl World {
    fn new(deployment: Deployment) -> Self {
        Self { deployment, sets: Vec::new(), healthy: true }
    }

    fn inputs(&self) -> Inputs {
        let candidates = self.sets.iter().cloned().map(Arc::new).collect();
        Inputs { deployment: Arc::new(self.deployment.clone()), candidates, pods: Vec::new() }
    }

    fn plan(&self) -> Plan {
        plan(&self.inputs(), now())
    }

    /// Plans, carries it out, and lets the pods catch up. The sizes of all sets, oldest first.
    fn step(&mut self) -> Vec<i32> {
        let plan = self.plan();
        for action in plan.actions() {
            if let Some(set) = action.created::<ReplicaSet>() {
                let mut set = set.clone();
                set.metadata.uid.clone_from(&set.metadata.name);
                set.metadata.creation_timestamp.seconds = 1000 + self.sets.len() as i64;
                self.sets.push(set);
            } else if let Some((_, set)) = action.replaced::<ReplicaSet>() {
                let old = self.sets.iter_mut().find(|old| old.metadata.name == set.metadata.name).unwrap();
                *old = set.clone();
            } else if let Some((_, deployment)) = action.replaced::<Deployment>() {
                self.deployment.metadata = deployment.metadata.clone();
            } else if let Some(target) = action.deleted() {
                self.sets.retain(|set| set.metadata.name != target.name);
            }
        }
        let current = self.sets.len();
        for (at, set) in self.sets.iter_mut().enumerate() {
            let size = replicas(set);
            set.status.replicas = size;
            let works = self.healthy || at + 1 < current;
            set.status.available_replicas = if works { size } else { 0 };
            set.status.ready_replicas = set.status.available_replicas;
        }
        if let Some(changed) = progress::conclude(&self.inputs(), now()).first() {
            self.deployment.status = changed.replaced::<Deployment>().unwrap().1.status.clone();
        }
        self.sets.iter().map(replicas).collect()
    }

    fn settle(&mut self) -> Vec<Vec<i32>> {
        let mut seen = Vec::new();
        for _ in 0..20 {
            let sizes = self.step();
            if seen.last() != Some(&sizes) {
                seen.push(sizes);
            }
        }
        seen
    }
}

#[test]
fn a_rollout_keeps_within_its_bounds() {
    let mut world = World::new(deployment("a", 4, json!({})));
    assert_eq!(world.settle(), [[4]]);
    assert_eq!(world.deployment.metadata.annotations[super::sets::REVISION], "1");
    world.deployment.spec.template.spec.containers[0].image = "b".into();
    let steps = world.settle();
    assert_eq!(steps.first().unwrap(), &[4, 1]);
    assert_eq!(steps.last().unwrap(), &[0, 4]);
    assert!(steps.iter().all(|sizes| (3..=5).contains(&sizes.iter().sum::<i32>())), "{steps:?}");
    assert_eq!(world.deployment.metadata.annotations[super::sets::REVISION], "2");
    assert!(world.plan().is_empty());
    let condition = world.deployment.status.conditions.iter().find(|c| c.type_ == "Progressing").unwrap();
    assert_eq!(condition.reason, "NewReplicaSetAvailable");
}

#[test]
fn bad_pods_stop_a_rollout_and_the_old_ones_keep_serving() {
    let mut world = World::new(deployment("a", 4, json!({})));
    world.settle();
    world.healthy = false;
    world.deployment.spec.template.spec.containers[0].image = "bad".into();
    let steps = world.settle();
    assert_eq!(steps.last().unwrap(), &[3, 2]);
    let available: i32 = world.sets.iter().map(|set| set.status.available_replicas).sum();
    assert_eq!(available, 3);
    // Back to the template of before: its set is used again and becomes the newest revision.
    world.healthy = true;
    world.deployment.spec.template.spec.containers[0].image = "a".into();
    assert_eq!(world.settle().last().unwrap(), &[4, 0]);
    assert_eq!(world.deployment.metadata.annotations[super::sets::REVISION], "3");
}

#[test]
fn scaling_goes_straight_to_the_number() {
    let mut world = World::new(deployment("a", 3, json!({})));
    world.settle();
    for count in [10, 1, 0, 2] {
        world.deployment.spec.replicas = Some(count);
        assert_eq!(world.settle(), [[count]]);
    }
}

#[test]
fn a_paused_rollout_scales_in_proportion() {
    let mut world = World::new(deployment(
        "a",
        10,
        json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}}),
    ));
    world.settle();
    world.healthy = false;
    world.deployment.spec.template.spec.containers[0].image = "b".into();
    assert_eq!(world.settle().last().unwrap(), &[8, 5]);
    world.deployment.spec.paused = true;
    world.deployment.spec.replicas = Some(15);
    assert_eq!(world.settle().last().unwrap().iter().sum::<i32>(), 18);
}

#[test]
fn recreate_takes_all_down_first() {
    let mut world = World::new(deployment("a", 3, json!({"strategy": {"type": "Recreate"}})));
    world.settle();
    world.deployment.spec.template.spec.containers[0].image = "b".into();
    assert_eq!(world.step(), [0]);
    assert_eq!(world.step(), [0, 3]);
}

#[test]
fn old_sets_are_cleaned_up() {
    let mut world = World::new(deployment("a", 1, json!({"revisionHistoryLimit": 1})));
    for image in ["a", "b", "c", "d"] {
        world.deployment.spec.template.spec.containers[0].image = image.into();
        world.settle();
    }
    assert_eq!(world.sets.len(), 2);
}

#[test]
fn a_going_deployment_makes_nothing() {
    let mut world = World::new(deployment("a", 3, json!({})));
    world.deployment.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".parse().unwrap());
    assert!(world.plan().is_empty());
}
