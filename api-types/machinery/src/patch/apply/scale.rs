//! Managed fields of the `scale` subresource: owning its `spec.replicas` is owning the replicas of the parent.

use std::collections::BTreeMap;

use super::managed::{Managed, ManagedFieldsError, ManagerId, Owned};
use super::set::{Path, Set};
use crate::Time;
use crate::meta::v1::ManagedFieldsEntry;

const SCALE_VERSION: &str = "autoscaling/v1";

/// Where the versions of a parent keep their replicas; nothing for a version without.
pub type ReplicasPaths = BTreeMap<String, Option<Path>>;

fn replicas_of_scale() -> Set {
    Set::of_fields(&[&["spec", "replicas"]])
}

/// The entries of the parent in the terms of its scale: those who own the replicas own those of the scale.
///
/// # Errors
/// When the entries cannot be read.
pub fn to_scale(
    parent: &[ManagedFieldsEntry],
    paths: &ReplicasPaths,
) -> Result<Vec<ManagedFieldsEntry>, ManagedFieldsError> {
    let mut managed = Managed::decode(parent)?;
    managed.fields.retain(|_, owned| {
        let path = paths.get(&owned.api_version).and_then(Option::as_ref);
        path.is_some_and(|path| owned.set.has(path))
    });
    for owned in managed.fields.values_mut() {
        *owned = Owned { set: replicas_of_scale(), api_version: SCALE_VERSION.to_owned() };
    }
    Ok(managed.encode())
}

/// The entries of the parent after a write to its scale: who lost the replicas of the scale loses those of the
/// parent, who gained them owns them in the given version of the parent.
///
/// # Errors
/// When entries cannot be read.
pub fn to_parent(
    parent: &[ManagedFieldsEntry],
    scale: &[ManagedFieldsEntry],
    api_version: &str,
    paths: &ReplicasPaths,
) -> Result<Vec<ManagedFieldsEntry>, ManagedFieldsError> {
    let mut managed = Managed::decode(parent)?;
    let scale = Managed::decode(scale)?;
    // A manager who updates has the version in its identity, which the scale knows by its own version only.
    let in_parent = |mut id: ManagerId| {
        if id.api_version == SCALE_VERSION {
            id.api_version = api_version.to_owned();
        }
        id
    };
    let times: BTreeMap<ManagerId, Time> =
        scale.times.into_iter().map(|(id, time)| (in_parent(id), time)).collect();
    let mut owners: BTreeMap<ManagerId, Set> =
        scale.fields.into_iter().map(|(id, owned)| (in_parent(id), owned.set)).collect();
    let replicas = |path: &Path| {
        let mut set = Set::new();
        set.insert(path);
        set
    };
    managed.fields.retain(|id, owned| {
        let Some(path) = paths.get(&owned.api_version) else { return false };
        let Some(path) = path.as_ref().filter(|path| owned.set.has(path)) else { return true };
        if owners.remove(id).is_none() {
            owned.set = owned.set.difference(&replicas(path));
        }
        !owned.set.is_empty()
    });
    let scale_path = replicas_of_scale();
    if let Some(path) = paths.get(api_version).and_then(Option::as_ref) {
        owners.retain(|_, set| !set.intersection(&scale_path).is_empty());
        for id in owners.into_keys() {
            if let Some(time) = times.get(&id) {
                managed.times.insert(id.clone(), *time);
            }
            let owned = managed
                .fields
                .entry(id)
                .or_insert_with(|| Owned { set: Set::new(), api_version: api_version.to_owned() });
            owned.set.extend(&replicas(path));
        }
    }
    Ok(managed.encode())
}
