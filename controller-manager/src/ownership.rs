//! Who owns what: adopting objects that match a selector and nobody owns, releasing those that no longer
//! match (`pkg/controller/controller_ref_manager.go`).

use std::sync::Arc;

use client::Patch;
use machinery::Resource;
use machinery::meta::v1::OwnerReference;
use machinery::selectors::labels::Selector;
use rules::meta::{controller_of, controller_reference};
use runtime::{Action, Store};
use serde_json::json;

/// Index by the UID of the controlling owner; objects without one are under [`orphans_of`] their namespace.
pub(crate) const BY_OWNER_OR_ORPHAN: &str = "owner-or-orphan";

/// Index function of [`BY_OWNER_OR_ORPHAN`].
pub(crate) fn owner_or_orphan<T: Resource>(object: &T) -> Vec<String> {
    match controller_of(object.metadata()) {
        Some(owner) => vec![owner.uid.clone()],
        None => vec![orphans_of(&object.metadata().namespace)],
    }
}

fn orphans_of(namespace: &str) -> String {
    format!("orphans/{namespace}")
}

/// The objects an owner has or might adopt.
pub(crate) fn candidates<O: Resource, T: Resource>(owner: &O, store: &Store<T>) -> Vec<Arc<T>> {
    let mut found = store.by_index(BY_OWNER_OR_ORPHAN, &owner.metadata().uid);
    found.extend(store.by_index(BY_OWNER_OR_ORPHAN, &orphans_of(&owner.metadata().namespace)));
    found
}

/// The owner reference of `owner` in what it makes.
pub(crate) fn reference<O: Resource>(owner: &O) -> OwnerReference {
    controller_reference(owner.metadata(), &O::api_version(), O::KIND)
}

/// What belongs to an owner, and what must be written for that to be true.
pub(crate) struct Claim<T> {
    /// Owned objects, adopted ones included.
    pub owned: Vec<Arc<T>>,
    /// Adoptions and releases.
    pub actions: Vec<Action>,
}

/// Sorts the candidates of an owner: kept when owned and matching, released when owned and no longer
/// matching, adopted when orphaned and matching. An owner that is being deleted keeps what it has and
/// changes nothing; an object being deleted is not adopted.
pub(crate) fn claim<O: Resource, T: Resource>(
    owner: &O,
    selector: &Selector,
    candidates: &[Arc<T>],
) -> Claim<T> {
    claim_with(owner, selector, candidates, None)
}

/// The same where what is adopted also gets a finalizer.
pub(crate) fn claim_holding<O: Resource, T: Resource>(
    owner: &O,
    selector: &Selector,
    candidates: &[Arc<T>],
    finalizer: &str,
) -> Claim<T> {
    claim_with(owner, selector, candidates, Some(finalizer))
}

fn claim_with<O: Resource, T: Resource>(
    owner: &O,
    selector: &Selector,
    candidates: &[Arc<T>],
    finalizer: Option<&str>,
) -> Claim<T> {
    let uid = &owner.metadata().uid;
    let going = owner.metadata().deletion_timestamp.is_some();
    let mut claim = Claim { owned: Vec::new(), actions: Vec::new() };
    for object in candidates {
        let metadata = object.metadata();
        let matches = selector.matches(&metadata.labels);
        match controller_of(metadata) {
            Some(controller) if controller.uid != *uid => {}
            Some(_) if matches => claim.owned.push(Arc::clone(object)),
            Some(_) if !going => claim.actions.push(release(owner, object.as_ref())),
            None if matches && !going && metadata.deletion_timestamp.is_none() => {
                claim.actions.push(adopt(owner, object.as_ref(), finalizer));
                claim.owned.push(Arc::clone(object));
            }
            _ => {}
        }
    }
    claim
}

fn adopt<O: Resource, T: Resource>(owner: &O, object: &T, finalizer: Option<&str>) -> Action {
    let reference = reference(owner);
    let mut patch = json!({"metadata": {"uid": object.metadata().uid, "ownerReferences": [{
        "apiVersion": reference.api_version, "kind": reference.kind, "name": reference.name, "uid": reference.uid,
        "controller": true, "blockOwnerDeletion": true,
    }]}});
    if let Some(finalizer) = finalizer {
        patch["metadata"]["finalizers"] = json!([finalizer]);
    }
    Action::patch(object, Patch::Strategic(patch)).only_while_alive(owner)
}

fn release<O: Resource, T: Resource>(owner: &O, object: &T) -> Action {
    let gone = json!({"$patch": "delete", "uid": owner.metadata().uid});
    let patch = json!({"metadata": {"uid": object.metadata().uid, "ownerReferences": [gone]}});
    Action::patch(object, Patch::Strategic(patch))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api_types::apps::v1::ReplicaSet;
    use api_types::core::v1::Pod;
    use machinery::Time;

    use super::*;

    fn pod(name: &str, labelled: bool, owner: Option<&ReplicaSet>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = name.into();
        pod.metadata.uid = name.into();
        if labelled {
            pod.metadata.labels.insert("app".into(), "x".into());
        }
        pod.metadata.owner_references = owner.map(reference).into_iter().collect();
        pod
    }

    fn owner(uid: &str) -> ReplicaSet {
        let mut owner = ReplicaSet::default();
        (owner.metadata.name, owner.metadata.uid) = (uid.into(), uid.into());
        owner
    }

    /// Names owned, and patches as `<adopt or release> <name>`.
    fn outcome(owner: &ReplicaSet, pods: Vec<Pod>) -> (Vec<String>, Vec<String>) {
        let selector = Selector::from_labels(&BTreeMap::from([("app".to_owned(), "x".to_owned())]));
        let pods: Vec<Arc<Pod>> = pods.into_iter().map(Arc::new).collect();
        let claim = claim(owner, &selector, &pods);
        let owned = claim.owned.iter().map(|pod| pod.metadata.name.clone()).collect();
        let patches = claim.actions.iter().filter_map(|action| {
            let (target, _, patch) = action.patched()?;
            let verb = if patch.value().to_string().contains("$patch") { "release" } else { "adopt" };
            assert_eq!(action.guard.is_some(), verb == "adopt");
            Some(format!("{verb} {}", target.name))
        });
        (owned, patches.collect())
    }

    #[test]
    fn candidates_are_kept_adopted_or_released() {
        let (me, other) = (owner("me"), owner("other"));
        let mut going = pod("going", true, None);
        going.metadata.deletion_timestamp = Some(Time::from(jiff::Timestamp::UNIX_EPOCH));
        let pods = || {
            vec![
                pod("mine", true, Some(&me)),
                pod("strayed", false, Some(&me)),
                pod("orphan", true, None),
                pod("unrelated", false, None),
                pod("foreign", true, Some(&other)),
                going.clone(),
            ]
        };
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            outcome(&me, pods()),
            (names(&["mine", "orphan"]), names(&["release strayed", "adopt orphan"]))
        );
        let mut deleted = me.clone();
        deleted.metadata.deletion_timestamp = Some(Time::from(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(outcome(&deleted, pods()), (names(&["mine"]), names(&[])));
    }
}
