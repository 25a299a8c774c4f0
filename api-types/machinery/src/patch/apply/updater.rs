//! Who owns what after a write, and what an apply leaves of an object (structured-merge-diff `merge`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::ApplyError;
use super::compare::{Comparison, compare};
use super::conflict::Conflict;
use super::managed::{ManagerId, Owned};
use super::merge::merge;
use super::path::same_value;
use super::reconcile::reconcile;
use super::remove::remove;
use super::set::{Filter, Set};
use super::typed::field_set;
use crate::patch::shape::Shape;

/// The versions of a kind: managers may have written in another one than the request.
pub trait Versions {
    /// The shape of the kind in a version (`apps/v1`); nothing when the version is not served any more, which ends
    /// the ownership of managers who wrote in it.
    fn shape(&self, api_version: &str) -> Option<Shape<'_>>;

    /// The object in another version.
    ///
    /// # Errors
    /// A text when the object cannot be converted.
    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String>;
}

/// A kind with one version only.
#[derive(Clone, Copy, Debug)]
pub struct SingleVersion<'s> {
    /// The version, such as `apps/v1`.
    pub api_version: &'s str,
    /// Its shape.
    pub shape: Shape<'s>,
}

impl Versions for SingleVersion<'_> {
    fn shape(&self, api_version: &str) -> Option<Shape<'_>> {
        (api_version == self.api_version).then_some(self.shape)
    }

    fn convert(&self, object: &Value, _api_version: &str) -> Result<Value, String> {
        Ok(object.clone())
    }
}

pub(super) type Managers = BTreeMap<ManagerId, Owned>;

pub(super) struct Updater<'a> {
    pub(super) versions: &'a dyn Versions,
    /// The version of the request.
    pub(super) api_version: &'a str,
    /// The shape of that version.
    pub(super) shape: Shape<'a>,
    /// Which fields the request may own.
    pub(super) filter: Option<&'a Filter>,
}

impl Updater<'_> {
    /// Managers after a create, update or patch.
    pub(super) fn update(
        &self,
        live: &Value,
        new: &Value,
        managers: Managers,
        manager: &ManagerId,
    ) -> Result<Managers, ApplyError> {
        let managers = self.reconcile(managers);
        let (mut managers, comparison) = self.transfer(live, new, managers, manager, true)?;
        let previous = managers.remove(manager).map(|owned| owned.set).unwrap_or_default();
        let mut set = previous.difference(&comparison.removed);
        set.extend(&comparison.modified);
        set.extend(&comparison.added);
        if let Some(filter) = self.filter {
            set = filter.apply(&set);
        }
        if !set.is_empty() {
            managers.insert(manager.clone(), Owned { set, api_version: self.api_version.to_owned() });
        }
        Ok(managers)
    }

    /// The object and its managers after an apply; no object when nothing changes.
    pub(super) fn apply(
        &self,
        live: &Value,
        config: &Value,
        managers: Managers,
        manager: &ManagerId,
        force: bool,
    ) -> Result<(Option<Value>, Managers), ApplyError> {
        let mut managers = self.reconcile(managers);
        let merged = merge(live, config, self.shape)
            .map_err(|error| ApplyError::Internal(format!("failed to merge config: {error}")))?;
        let mut set = field_set(config, self.shape)
            .map_err(|error| ApplyError::Internal(format!("failed to get field set: {error}")))?;
        if let Some(filter) = self.filter {
            set = filter.apply(&set);
        }
        let owned = Owned { set, api_version: self.api_version.to_owned() };
        let last = managers.insert(manager.clone(), owned);
        let new = self.prune(merged, &managers, last.as_ref())?;
        let (managers, _) = self.transfer(live, &new, managers, manager, force)?;
        let changed = !same_value(live, &new);
        Ok((changed.then_some(new), managers))
    }

    fn reconcile(&self, managers: Managers) -> Managers {
        let known = managers.into_iter().filter_map(|(id, mut owned)| {
            let shape = self.versions.shape(&owned.api_version)?;
            if let Some(set) = reconcile(&owned.set, shape) {
                owned.set = set;
            }
            Some((id, owned))
        });
        known.collect()
    }

    fn compare(&self, old: &Value, new: &Value, shape: Shape<'_>) -> Result<Comparison, ApplyError> {
        compare(old, new, shape)
            .map_err(|error| ApplyError::Internal(format!("failed to compare objects: {error}")))
    }

    /// Takes from all other managers what the write changed or removed. What it changed and others own is a
    /// conflict, unless forced.
    fn transfer(
        &self,
        live: &Value,
        new: &Value,
        mut managers: Managers,
        manager: &ManagerId,
        force: bool,
    ) -> Result<(Managers, Comparison), ApplyError> {
        let comparison = self.compare(live, new, self.shape)?.filtered(self.filter);
        let mut others: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
        for owned in managers.values() {
            if owned.api_version != self.api_version && !others.contains_key(&owned.api_version) {
                let other = self.compare_in(live, new, &owned.api_version)?;
                others.insert(owned.api_version.clone(), other);
            }
        }
        let comparison_in = |api_version: &str| {
            if api_version == self.api_version {
                Some(&comparison)
            } else {
                others.get(api_version).and_then(Option::as_ref)
            }
        };
        let mut conflicts = Vec::new();
        managers.retain(|id, owned| id == manager || comparison_in(&owned.api_version).is_some());
        for (id, owned) in managers.iter_mut().filter(|(id, _)| *id != manager) {
            let Some(comparison) = comparison_in(&owned.api_version) else { continue };
            let changed = comparison.modified.union(&comparison.added);
            let contested = owned.set.intersection(&changed);
            conflicts
                .extend(contested.paths().into_iter().map(|path| Conflict { manager: id.clone(), path }));
            owned.set = owned.set.difference(&contested).difference(&comparison.removed);
        }
        if !force && !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
        managers.retain(|_, owned| !owned.set.is_empty());
        Ok((managers, comparison))
    }

    fn compare_in(
        &self,
        live: &Value,
        new: &Value,
        api_version: &str,
    ) -> Result<Option<Comparison>, ApplyError> {
        let Some(shape) = self.versions.shape(api_version) else { return Ok(None) };
        let live = self.convert(live, api_version)?;
        let new = self.convert(new, api_version)?;
        Ok(Some(self.compare(&live, &new, shape)?))
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, ApplyError> {
        self.versions.convert(object, api_version).map_err(|error| {
            ApplyError::Internal(format!("failed to convert object to version {api_version}: {error}"))
        })
    }

    /// Removes what the manager applied last time, does not apply this time, and nobody else owns.
    fn prune(&self, merged: Value, managers: &Managers, last: Option<&Owned>) -> Result<Value, ApplyError> {
        let Some(last) = last.filter(|last| !last.set.is_empty()) else { return Ok(merged) };
        let Some(shape) = self.versions.shape(&last.api_version) else { return Ok(merged) };
        let same_version = last.api_version == self.api_version;
        let merged = if same_version { merged } else { self.convert(&merged, &last.api_version)? };
        let last_set = last.set.with_named_fields(Some(shape));
        let pruned = remove(&merged, &last_set, shape);
        let pruned = self.add_back_owned(&merged, pruned, &last.api_version, managers)?;
        let pruned = add_back_dangling(&merged, &pruned, &last_set, shape)?;
        if same_version { Ok(pruned) } else { self.convert(&pruned, self.api_version) }
    }

    /// Puts back what a manager owns, in the terms of each version. The version of the last apply comes first, as
    /// what is missing might be needed to convert to the others.
    fn add_back_owned(
        &self,
        merged: &Value,
        pruned: Value,
        pruned_version: &str,
        managers: &Managers,
    ) -> Result<Value, ApplyError> {
        let mut owned_in: BTreeMap<&str, Set> = BTreeMap::new();
        for owned in managers.values() {
            owned_in.entry(&owned.api_version).or_default().extend(&owned.set);
        }
        let first = owned_in.remove(pruned_version).map(|set| (pruned_version, set));
        let (mut merged, mut pruned) = (merged.clone(), pruned);
        let mut version = pruned_version;
        for (next, owned) in first.into_iter().chain(owned_in) {
            let Some(shape) = self.versions.shape(next) else { continue };
            if next != version {
                merged = self.convert(&merged, next)?;
                pruned = self.convert(&pruned, next)?;
                version = next;
            }
            let merged_set = set_of(&merged, shape)?.with_named_fields(Some(shape));
            let keep = set_of(&pruned, shape)?
                .with_named_fields(Some(shape))
                .union(&owned.with_named_fields(Some(shape)));
            pruned = remove(&merged, &merged_set.difference(&keep), shape);
        }
        if version == pruned_version { Ok(pruned) } else { self.convert(&pruned, pruned_version) }
    }
}

/// Puts back what the last apply did not own: it is nobody's, or belongs to managers who do not apply.
fn add_back_dangling(
    merged: &Value,
    pruned: &Value,
    last: &Set,
    shape: Shape<'_>,
) -> Result<Value, ApplyError> {
    let merged_set = set_of(merged, shape)?.with_named_fields(Some(shape));
    let pruned_set = set_of(pruned, shape)?.with_named_fields(Some(shape));
    Ok(remove(merged, &merged_set.difference(&pruned_set).intersection(last), shape))
}

fn set_of(value: &Value, shape: Shape<'_>) -> Result<Set, ApplyError> {
    field_set(value, shape)
        .map_err(|error| ApplyError::Internal(format!("failed to create field set from object: {error}")))
}
