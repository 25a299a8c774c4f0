//! Cases of StatefulSets, played through.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apps::v1::{ControllerRevision, StatefulSet};
use api_types::core::v1::{PersistentVolumeClaim, Pod, PodStatus};
use jiff::Timestamp;
use machinery::{Message, Time};
use runtime::plan::{Outcome, Verb};
use runtime::{Action, Controller};
use serde_json::{Value, json};

use super::gather::{Inputs, StatefulSets};
use super::identity::{ordinal_of, revision_of};

struct World {
    set: StatefulSet,
    pods: Vec<Pod>,
    revisions: Vec<ControllerRevision>,
    claims: BTreeMap<String, PersistentVolumeClaim>,
    /// Pods become ready as soon as they are.
    healthy: bool,
    made: usize,
}

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn set(image: &str, extra: Value) -> StatefulSet {
    let mut spec = json!({"replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
        "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}});
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    StatefulSet::from_value(
        &json!({"metadata": {"namespace": "ns", "name": "db", "uid": "s", "generation": 1}, "spec": spec}),
    )
    .unwrap()
}

impl World {
    fn new(extra: Value) -> World {
        World {
            set: set("a", extra),
            pods: Vec::new(),
            revisions: Vec::new(),
            claims: BTreeMap::new(),
            healthy: true,
            made: 0,
        }
    }

    fn inputs(&self, reversed: bool) -> Inputs {
        let mut candidates: Vec<_> = self.pods.iter().cloned().map(Arc::new).collect();
        if reversed {
            candidates.reverse();
        }
        let claims = self.claims.iter().map(|(name, claim)| (name.clone(), Arc::new(claim.clone())));
        Inputs {
            set: Arc::new(self.set.clone()),
            candidates,
            revisions: self.revisions.iter().cloned().map(Arc::new).collect(),
            claims: claims.collect(),
        }
    }

    /// One pass, in short; deleted pods are gone at once.
    fn step(&mut self) -> String {
        let inputs = self.inputs(false);
        let plan = StatefulSets::plan(&inputs, now());
        let other = StatefulSets::plan(&self.inputs(true), now());
        assert_eq!(format!("{:?}", plan.stages), format!("{:?}", other.stages), "whatever the order");
        let concluded = StatefulSets::conclude(&inputs, &Outcome::default(), now());
        let done: Vec<String> = plan.actions().filter_map(|action| self.apply(action)).collect();
        for action in &concluded {
            self.set.status = action.replaced::<StatefulSet>().unwrap().1.status.clone();
        }
        done.join(" ")
    }

    fn apply(&mut self, action: &Action) -> Option<String> {
        match &action.verb {
            Verb::Create { .. } => {
                if let Some(revision) = action.created::<ControllerRevision>() {
                    self.revisions.push(revision.clone());
                    return None;
                }
                if let Some(claim) = action.created::<PersistentVolumeClaim>() {
                    let mut claim = claim.clone();
                    claim.metadata.uid.clone_from(&claim.metadata.name);
                    self.claims.insert(claim.metadata.name.clone(), claim);
                    return None;
                }
                let mut pod = action.created::<Pod>().unwrap().clone();
                self.made += 1;
                pod.metadata.uid = format!("u{}", self.made);
                pod.status.phase = "Pending".into();
                let name = pod.metadata.name.clone();
                self.pods.push(if self.healthy { ready(pod) } else { pod });
                Some(format!("+{name}"))
            }
            Verb::Delete { target, .. } if target.kind.kind == "Pod" => {
                self.pods.retain(|pod| pod.metadata.name != target.name);
                Some(format!("-{}", target.name))
            }
            Verb::Delete { target, .. } => {
                self.revisions.retain(|revision| revision.metadata.name != target.name);
                None
            }
            Verb::Replace { .. } => {
                if let Some((_, revision)) = action.replaced::<ControllerRevision>() {
                    self.revisions.retain(|known| known.metadata.name != revision.metadata.name);
                    self.revisions.push(revision.clone());
                } else if let Some((_, claim)) = action.replaced::<PersistentVolumeClaim>() {
                    self.claims.insert(claim.metadata.name.clone(), claim.clone());
                }
                None
            }
            Verb::Patch { target, .. } => Some(format!("~{}", target.name)),
            verb @ Verb::Post { .. } => panic!("{verb:?}"),
        }
    }

    #[track_caller]
    fn check(&mut self, steps: &[&str]) {
        for expected in steps {
            assert_eq!(self.step(), *expected);
        }
    }

    /// Passes until nothing is done; then the status stands still too.
    fn settle(&mut self) {
        for _ in 0..30 {
            let before = self.set.status.clone();
            if self.step().is_empty() && self.set.status == before {
                let inputs = self.inputs(false);
                assert!(StatefulSets::plan(&inputs, now()).is_empty());
                return;
            }
        }
        panic!("never done: {:?}", self.set.status);
    }

    fn counts(&self) -> (i32, i32, i32, i32, i32) {
        let s = &self.set.status;
        (s.replicas, s.ready_replicas, s.available_replicas, s.current_replicas, s.updated_replicas)
    }

    fn pod(&mut self, ordinal: i32) -> &mut Pod {
        let set = self.set.clone();
        self.pods.iter_mut().find(|pod| ordinal_of(&set, pod) == Some(ordinal)).unwrap()
    }
}

fn ready(mut pod: Pod) -> Pod {
    let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    pod.status = PodStatus::from_value(&status).unwrap();
    pod
}

#[test]
fn pods_come_one_after_the_other() {
    let mut world = World::new(json!({}));
    world.check(&["+db-0", "+db-1", "+db-2", ""]);
    world.settle();
    assert_eq!(world.counts(), (3, 3, 3, 3, 3));
    let pod = world.pod(1).clone();
    assert_eq!((pod.spec.hostname.as_str(), pod.spec.subdomain.as_str()), ("db-1", "db"));
    assert_eq!(pod.metadata.labels["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!(pod.metadata.labels["apps.kubernetes.io/pod-index"], "1");
    assert_eq!(revision_of(&pod), world.set.status.current_revision);
}

#[test]
fn the_next_waits_for_the_one_before() {
    let mut world = World::new(json!({}));
    world.healthy = false;
    world.check(&["+db-0", "", ""]);
    assert_eq!(world.counts(), (1, 0, 0, 1, 1));
    *world.pod(0) = ready(world.pod(0).clone());
    world.check(&["+db-1", ""]);
    let mut world = World::new(json!({"podManagementPolicy": "Parallel"}));
    world.healthy = false;
    world.check(&["+db-0 +db-1 +db-2", ""]);
}

#[test]
fn the_last_goes_first() {
    let mut world = World::new(json!({}));
    world.settle();
    world.set.spec.replicas = Some(1);
    world.check(&["-db-2", "-db-1", ""]);
    let mut world = World::new(json!({"podManagementPolicy": "Parallel"}));
    world.settle();
    world.set.spec.replicas = Some(1);
    world.check(&["-db-2 -db-1", ""]);
    // Not while one before it is not healthy, unless it is the unhealthy one itself.
    let mut world = World::new(json!({}));
    world.settle();
    world.set.spec.replicas = Some(2);
    world.pod(2).status.conditions.clear();
    world.check(&["-db-2", ""]);
    world.set.spec.replicas = Some(1);
    world.pod(0).status.conditions.clear();
    world.check(&["", ""]);
}

#[test]
fn an_update_goes_from_the_last_to_the_first() {
    let mut world = World::new(json!({}));
    world.settle();
    let before = world.set.status.current_revision.clone();
    world.set.spec.template.spec.containers[0].image = "b".into();
    world.check(&["-db-2", "+db-2", "-db-1"]);
    assert_eq!(world.set.status.current_revision, before);
    assert_ne!(world.set.status.update_revision, before);
    world.check(&["+db-1", "-db-0", "+db-0", ""]);
    world.settle();
    assert_eq!(world.set.status.current_revision, world.set.status.update_revision);
    assert_eq!((world.counts(), world.revisions.len()), ((3, 3, 3, 3, 3), 2));
    // Back again: the revision of before is used.
    world.set.spec.template.spec.containers[0].image = "a".into();
    world.settle();
    assert_eq!((world.set.status.current_revision.clone(), world.revisions.len()), (before, 2));
}

#[test]
fn a_partition_holds_the_first_ones_back() {
    let mut world =
        World::new(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}));
    world.settle();
    world.set.spec.template.spec.containers[0].image = "b".into();
    world.check(&["-db-2", "+db-2", ""]);
    assert_eq!(world.counts(), (3, 3, 3, 2, 1));
    world.pods.retain(|pod| pod.metadata.name != "db-0");
    world.check(&["+db-0"]);
    assert_eq!(world.pod(0).spec.containers[0].image, "a", "it is made as it was");
    assert_eq!(world.pod(2).spec.containers[0].image, "b");
}

#[test]
fn with_on_delete_users_decide() {
    let mut world = World::new(json!({"updateStrategy": {"type": "OnDelete"}}));
    world.settle();
    world.set.spec.template.spec.containers[0].image = "b".into();
    world.check(&["", ""]);
    world.pods.retain(|pod| pod.metadata.name != "db-1");
    world.check(&["+db-1", ""]);
    assert_eq!(world.pod(1).spec.containers[0].image, "b");
}

#[test]
fn a_failed_pod_makes_room_and_a_going_one_is_waited_for() {
    let mut world = World::new(json!({}));
    world.settle();
    world.pod(1).status.phase = "Failed".into();
    world.check(&["-db-1", "+db-1", ""]);
    world.pod(0).metadata.deletion_timestamp = Some(Time::from(now()));
    world.pods.retain(|pod| pod.metadata.name != "db-2");
    world.check(&["", ""]);
}

fn with_claims(policy: Value) -> Value {
    json!({"volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"x": "y"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        "persistentVolumeClaimRetentionPolicy": policy})
}

#[test]
fn every_pod_has_its_claim() {
    let mut world = World::new(with_claims(json!({"whenDeleted": "Retain", "whenScaled": "Retain"})));
    world.settle();
    let names: Vec<_> = world.claims.keys().cloned().collect();
    assert_eq!(names, ["data-db-0", "data-db-1", "data-db-2"]);
    let claim = &world.claims["data-db-1"].metadata;
    assert_eq!((claim.labels.len(), claim.owner_references.len()), (2, 0));
    let volume = &world.pod(1).spec.volumes[0];
    assert_eq!(volume.name, "data");
    assert_eq!(volume.volume_source.persistent_volume_claim.as_ref().unwrap().claim_name, "data-db-1");
    // A claim that goes is waited for.
    world.pods.retain(|pod| pod.metadata.name != "db-2");
    world.claims.get_mut("data-db-2").unwrap().metadata.deletion_timestamp = Some(Time::from(now()));
    let plan = StatefulSets::plan(&world.inputs(false), now());
    assert!(plan.stages.is_empty() && plan.requeue_after.is_some());
    assert!(plan.notes[0].message.ends_with("pvc data-db-2 is being deleted"));
}

#[test]
fn claims_go_with_whom_the_policy_says() {
    let owners = |world: &World, name: &str| -> Vec<String> {
        world.claims[name].metadata.owner_references.iter().map(|owner| owner.kind.clone()).collect()
    };
    for (deleted, scaled, running, removed) in [
        ("Retain", "Retain", "", ""),
        ("Delete", "Retain", "StatefulSet", "StatefulSet"),
        ("Retain", "Delete", "", "Pod"),
        ("Delete", "Delete", "StatefulSet", "Pod"),
    ] {
        let mut world = World::new(with_claims(json!({"whenDeleted": deleted, "whenScaled": scaled})));
        world.settle();
        assert_eq!(owners(&world, "data-db-2").join(","), running, "{deleted} {scaled}");
        world.set.spec.replicas = Some(2);
        world.settle();
        assert_eq!(owners(&world, "data-db-2").join(","), removed, "{deleted} {scaled}");
        assert_eq!(owners(&world, "data-db-1").join(","), running, "{deleted} {scaled}");
        if scaled == "Delete" {
            world.set.spec.replicas = Some(3);
            world.check(&["", ""]);
        }
    }
}

#[test]
fn ordinals_may_start_elsewhere() {
    let mut world = World::new(json!({"ordinals": {"start": 5}, "replicas": 2}));
    world.check(&["+db-5", "+db-6", ""]);
    world.set.spec.ordinals = None;
    world.check(&["+db-0", "+db-1", "-db-6", "-db-5", ""]);
}

#[test]
fn labels_are_repaired_and_old_revisions_go() {
    let mut world = World::new(json!({"revisionHistoryLimit": 1}));
    world.settle();
    world.pod(0).metadata.labels.remove("statefulset.kubernetes.io/pod-name");
    assert_eq!(world.step(), "~db-0");
    let labels = &mut world.pod(0).metadata.labels;
    labels.insert("statefulset.kubernetes.io/pod-name".into(), "db-0".into());
    for image in ["b", "c", "d"] {
        world.set.spec.template.spec.containers[0].image = image.into();
        world.settle();
    }
    assert_eq!(world.revisions.len(), 2);
}

#[test]
fn a_going_set_makes_nothing() {
    let mut world = World::new(json!({}));
    world.set.metadata.deletion_timestamp = Some(Time::from(now()));
    assert!(StatefulSets::plan(&world.inputs(false), now()).is_empty());
}
