//! What the caches know about the pods of a budget and who keeps them.

use std::sync::Arc;

use api_types::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use api_types::core::v1::{Pod, ReplicationController};
use api_types::policy::v1::PodDisruptionBudget;
use jiff::Timestamp;
use machinery::Resource;
use machinery::meta::v1::OwnerReference;
use machinery::selectors::labels::Selector;
use rules::meta::controller_of;
use runtime::store::BY_NAMESPACE;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::plan;

/// The controller: its caches.
pub(super) struct Budgets {
    pub budgets: Store<PodDisruptionBudget>,
    pub pods: Store<Pod>,
    pub owners: Owners,
}

/// Kinds that keep a number of pods.
pub(super) struct Owners {
    pub deployments: Store<Deployment>,
    pub sets: Store<ReplicaSet>,
    pub stateful: Store<StatefulSet>,
    pub replicated: Store<ReplicationController>,
}

/// Who keeps a pod, and how many of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// Nobody.
    None,
    /// The owner with this UID and number of pods.
    Known(String, i32),
    /// An owner whose number is not known, in words.
    Unknown(String),
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub budget: Arc<PodDisruptionBudget>,
    /// Pods that it selects, by name, and their keepers.
    pub pods: Vec<(Arc<Pod>, Keeper)>,
}

fn group_of(owner: &OwnerReference) -> &str {
    owner.api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The owner, when it is in the cache and still the same.
fn found<T: Resource>(store: &Store<T>, namespace: &str, owner: &OwnerReference) -> Option<Arc<T>> {
    let same = owner.kind == T::KIND
        && matches!(group_of(owner), group if group == T::GROUP || group == "extensions");
    let object = store.get_by(namespace, &owner.name).filter(|_| same)?;
    (object.metadata().uid == owner.uid).then_some(object)
}

impl Owners {
    /// A Deployment counts in the place of its ReplicaSets.
    fn keeper(&self, pod: &Pod) -> Keeper {
        let Some(owner) = controller_of(&pod.metadata) else { return Keeper::None };
        let namespace = &pod.metadata.namespace;
        let known = |uid: &str, replicas: Option<i32>| Keeper::Known(uid.to_owned(), replicas.unwrap_or(1));
        if let Some(set) = found(&self.sets, namespace, owner) {
            let above = controller_of(&set.metadata);
            let above = above.and_then(|above| found(&self.deployments, namespace, above));
            return match above {
                Some(above) => known(&above.metadata.uid, above.spec.replicas),
                None => known(&set.metadata.uid, set.spec.replicas),
            };
        }
        if let Some(set) = found(&self.stateful, namespace, owner) {
            return known(&set.metadata.uid, set.spec.replicas);
        }
        if let Some(set) = found(&self.replicated, namespace, owner) {
            return known(&set.metadata.uid, set.spec.replicas);
        }
        let workload = matches!(
            (group_of(owner), owner.kind.as_str()),
            ("apps", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController")
        );
        Keeper::Unknown(if workload {
            format!("found no controllers for pod {:?}", pod.metadata.name)
        } else {
            format!(
                "found no controllers for pod {:?}: the number of pods of {} {:?} is not known, only that of Deployments, ReplicaSets, StatefulSets and ReplicationControllers; set spec.minAvailable to a number",
                pod.metadata.name, owner.kind, owner.name
            )
        })
    }
}

impl Controller for Budgets {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let budget = self.budgets.get(key)?;
        let selector = Selector::from_label_selector(budget.spec.selector.as_deref()).ok()?;
        let mut pods = self.pods.by_index(BY_NAMESPACE, &budget.metadata.namespace);
        pods.retain(|pod| selector.matches(&pod.metadata.labels));
        pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let pods = pods.into_iter().map(|pod| {
            let keeper = self.owners.keeper(&pod);
            (pod, keeper)
        });
        Some(Inputs { budget, pods: pods.collect() })
    }

    fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
        plan::plan(inputs, now)
    }
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::{Value, json};

    use super::*;

    fn pod(owner: Value) -> Pod {
        let metadata = json!({"namespace": "ns", "name": "p", "ownerReferences": [owner]});
        Pod::from_value(&json!({"metadata": metadata})).unwrap()
    }

    #[test]
    fn owners_are_followed_to_the_deployment() {
        let object = |name: &str, replicas: i32, owner: Value| json!({"metadata": {"namespace": "ns", "name": name, "uid": name, "ownerReferences": owner}, "spec": {"replicas": replicas}});
        let by = |kind: &str, name: &str, version: &str| json!({"kind": kind, "name": name, "uid": name, "apiVersion": version, "controller": true});
        let owned = object("owned", 2, json!([by("Deployment", "web", "apps/v1")]));
        let sets = [owned, object("alone", 4, json!([]))].map(|set| ReplicaSet::from_value(&set).unwrap());
        let owners = Owners {
            deployments: Store::with_objects([Deployment::from_value(&object("web", 5, json!([]))).unwrap()]),
            sets: Store::with_objects(sets),
            stateful: Store::with_objects([StatefulSet::from_value(&object("db", 3, json!([]))).unwrap()]),
            replicated: Store::with_objects([]),
        };
        let check = |kind: &str, name: &str, version: &str, expected: Option<(&str, i32)>| {
            let keeper = owners.keeper(&pod(by(kind, name, version)));
            let known = match &keeper {
                Keeper::Known(uid, count) => Some((uid.as_str(), *count)),
                _ => None,
            };
            assert_eq!(known, expected, "{keeper:?}");
        };
        check("ReplicaSet", "owned", "apps/v1", Some(("web", 5)));
        check("ReplicaSet", "alone", "apps/v1", Some(("alone", 4)));
        check("StatefulSet", "db", "apps/v1", Some(("db", 3)));
        check("StatefulSet", "db", "other/v1", None);
        check("ReplicaSet", "gone", "apps/v1", None);
        check("Job", "j", "batch/v1", None);
        let alone = Pod::from_value(&json!({"metadata": {"name": "p"}})).unwrap();
        assert_eq!(owners.keeper(&alone), Keeper::None);
    }
}
