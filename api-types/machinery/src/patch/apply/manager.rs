//! The field manager of one kind, version and subresource: what the apiserver asks on every write.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::ApplyError;
use super::compare::compare;
use super::conflict::Conflict;
use super::managed::{APPLY, Managed, ManagerId, Owned, UPDATE};
use super::set::{Filter, Set};
use super::typed::{field_set, validate};
use super::updater::{Updater, Versions};
use crate::codec::json;
use crate::group::{GroupVersion, GroupVersionKind};
use crate::meta::v1::ManagedFieldsEntry;
use crate::patch::shape::Shape;
use crate::quote::go_json;
use crate::{Message as _, Time};

/// Where `kubectl apply` without server-side apply keeps what it applied last.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// More managers than this who update are merged, the oldest first.
const MAX_UPDATE_MANAGERS: usize = 10;
/// Name of the managers merged.
const OLD_UPDATES_MANAGER: &str = "ancient-changes";
/// Owner of everything an object had before it was applied for the first time.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// Greatest length of the name of a manager.
const MAX_MANAGER_NAME: usize = 128;
/// Greatest size of all annotations together, keys and values.
const MAX_ANNOTATIONS_SIZE: usize = 256 * 1024;

/// Fields which nobody owns, as every write has them.
const UNOWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "clusterName"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// The field manager of one kind, version and subresource.
#[derive(Clone, Copy)]
pub struct FieldManager<'a> {
    /// Kind and version of the objects given.
    pub kind: &'a GroupVersionKind,
    /// Subresource the request writes; empty for the main resource.
    pub subresource: &'a str,
    /// Which fields the request may own.
    pub filter: Option<&'a Filter>,
    /// The versions of the kind.
    pub versions: &'a dyn Versions,
}

/// The name under which a request owns fields: the one given, else the program's from its `User-Agent`.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    if !field_manager.is_empty() {
        return field_manager.to_owned();
    }
    let program = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::new();
    for character in program.chars().filter(|character| !character.is_control()) {
        if name.len() + character.len_utf8() > MAX_MANAGER_NAME {
            break;
        }
        name.push(character);
    }
    name
}

/// Whether `metadata.managedFields` of a request asks to forget all owners: an empty list, or one empty entry.
/// Ask of the body as it came: an empty list does not survive a protobuf encoding.
pub fn is_reset(object: &Value) -> bool {
    match managed_fields(object) {
        Some(Value::Array(entries)) => match entries.as_slice() {
            [] => true,
            [Value::Object(only)] => only.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// An object without content as Go encodes it: with the structs and lists it never leaves out. What an object
/// has beyond it is owned by whoever creates it.
pub fn empty_object(shape: Shape<'_>) -> Value {
    match shape {
        Shape::Struct(message) => {
            json::try_protobuf_to_value(message, &[], None).unwrap_or_else(|_| Value::Object(Map::new()))
        }
        _ => Value::Object(Map::new()),
    }
}

impl FieldManager<'_> {
    fn api_version(&self) -> String {
        self.kind.api_version()
    }

    fn shape(&self, api_version: &str) -> Result<Shape<'_>, ApplyError> {
        self.versions
            .shape(api_version)
            .ok_or_else(|| ApplyError::Internal(format!("no corresponding type for {}", self.kind)))
    }

    /// The entries of `managedFields` after a create, update or patch which turns `live` into `new`. For a create,
    /// `live` is the [`empty_object`]. A manager which cannot be read
    /// leaves the object without entries, as upstream does.
    ///
    /// # Errors
    /// When an object does not fit its kind; the caller then stores the object without entries.
    pub fn update(
        &self,
        live: &Value,
        new: &Value,
        manager: &str,
        now: Timestamp,
    ) -> Result<Vec<ManagedFieldsEntry>, ApplyError> {
        let managed = self.decode_live_or_new(live, new);
        let live_uid = live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        if managed.is_empty() && !live_uid.is_empty() {
            // The object is not tracked; the first apply begins to.
            return Ok(Vec::new());
        }
        let (live, new) = (without_managed_fields(live), without_managed_fields(new));
        let managed = self.track_update(&live, &new, managed, manager, now)?;
        Ok(managed.encode())
    }

    /// What an apply of `config` makes of `live`: the object with its entries. It still lacks defaults.
    /// For a create, `live` is the [`empty_object`]. Without `force`, changing what others own fails.
    ///
    /// # Errors
    /// On conflicts, and when the configuration does not fit the kind.
    pub fn apply(
        &self,
        live: &Value,
        config: &Value,
        manager: &str,
        force: bool,
        now: Timestamp,
    ) -> Result<Value, ApplyError> {
        let managed =
            entries_of(live).and_then(|entries| Managed::decode(&entries).map_err(|e| e.to_string()));
        let managed = managed
            .map_err(|error| ApplyError::Internal(format!("failed to decode managed fields: {error}")))?;
        let kind = kind_of(config);
        if kind != *self.kind {
            return Err(ApplyError::BadRequest(format!("invalid object type: {kind}")));
        }
        if managed_fields(config).is_some_and(|entries| !entries.is_null()) {
            return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
        }
        let live = without_managed_fields(live);
        let applied = match self.track_apply(&live, config, managed.clone(), manager, force, now) {
            Err(ApplyError::Conflicts(conflicts)) if manager == "kubectl" => {
                // Whoever comes from client-side apply owns what it applied last, whatever the entries say.
                self.forgive(&live, conflicts)?;
                self.track_apply(&live, config, managed, manager, true, now)
            }
            other => other,
        };
        let (mut object, managed) = applied?;
        set_managed_fields(&mut object, &managed.encode());
        if manager == "kubectl" && last_applied(&object).is_some_and(|text| !text.is_empty()) {
            set_last_applied(&mut object, config);
        }
        Ok(object)
    }

    /// The live entries count, unless a request for the main resource brings its own or resets them.
    fn decode_live_or_new(&self, live: &Value, new: &Value) -> Managed {
        let decode = |object: &Value| Managed::decode(&entries_of(object).ok()?).ok();
        if self.subresource.is_empty() {
            if is_reset(new) {
                return Managed::default();
            }
            if let Some(managed) = decode(new).filter(|managed| !managed.is_empty()) {
                return managed;
            }
        }
        decode(live).unwrap_or_default()
    }

    fn updater<'u>(&'u self, api_version: &'u str) -> Result<Updater<'u>, ApplyError> {
        let shape = self.shape(api_version)?;
        Ok(Updater { versions: self.versions, api_version, shape, filter: self.filter })
    }

    fn track_update(
        &self,
        live: &Value,
        new: &Value,
        mut managed: Managed,
        manager: &str,
        now: Timestamp,
    ) -> Result<Managed, ApplyError> {
        let api_version = self.api_version();
        let name = if manager.is_empty() { "unknown" } else { manager };
        let id = ManagerId::new(name, UPDATE, &api_version, self.subresource);
        // The operation first stands for itself, so that what it changes is known apart from what the manager owned.
        let operation = ManagerId::new("current-operation", "", "", "");
        managed.fields = self.updater(&api_version)?.update(live, new, managed.fields, &operation)?;
        if let Some(mut owned) = managed.fields.remove(&operation) {
            if let Some(previous) = managed.fields.get(&id) {
                owned.set.extend(&previous.set);
            }
            managed.fields.insert(id.clone(), owned);
            managed.times.insert(id.clone(), time(now));
        }
        strip(&mut managed, &id);
        Ok(cap_update_managers(managed))
    }

    fn track_apply(
        &self,
        live: &Value,
        config: &Value,
        managed: Managed,
        manager: &str,
        force: bool,
        now: Timestamp,
    ) -> Result<(Value, Managed), ApplyError> {
        let api_version = self.api_version();
        let mut managed = managed;
        if managed.is_empty() {
            let empty = empty_object(self.shape(&api_version)?);
            managed = self.track_update(&empty, live, managed, BEFORE_FIRST_APPLY, now)?;
        }
        let updater = self.updater(&api_version)?;
        validate(config, updater.shape, false).map_err(|error| {
            let name = self.describe(config);
            ApplyError::Internal(format!("failed to create typed patch object ({name}): {error}"))
        })?;
        let id = ManagerId::new(manager, APPLY, &api_version, self.subresource);
        let (changed, fields) = updater.apply(live, config, managed.fields, &id, force)?;
        managed.fields = fields;
        strip(&mut managed, &id);
        if changed.is_some() {
            managed.times.insert(id, time(now));
        }
        Ok((changed.unwrap_or_else(|| live.clone()), managed))
    }

    /// Namespace, name and kind of an object, as upstream's errors have them.
    fn describe(&self, object: &Value) -> String {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        format!("{}/{}; {}", text("/metadata/namespace"), text("/metadata/name"), self.kind)
    }

    /// Passes when all conflicts are about what client-side apply applied last and nobody changed since.
    fn forgive(&self, live: &Value, conflicts: Vec<Conflict>) -> Result<(), ApplyError> {
        let Some(allowed) = self.last_applied_fields(live) else {
            return Err(ApplyError::Conflicts(conflicts));
        };
        let left: Vec<Conflict> =
            conflicts.into_iter().filter(|conflict| !allowed.has(&conflict.path)).collect();
        if left.is_empty() { Ok(()) } else { Err(ApplyError::Conflicts(left)) }
    }

    fn last_applied_fields(&self, live: &Value) -> Option<Set> {
        let api_version = self.api_version();
        let config: Value = serde_json::from_str(last_applied(live)?).ok()?;
        if config.get("apiVersion").and_then(Value::as_str) != Some(api_version.as_str()) {
            return None;
        }
        let shape = self.versions.shape(&api_version)?;
        validate(&config, shape, false).ok()?;
        let comparison = compare(&config, live, shape).ok()?;
        let set = field_set(&config, shape).ok()?;
        Some(
            set.difference(&comparison.modified)
                .difference(&comparison.added)
                .difference(&comparison.removed),
        )
    }
}

fn time(now: Timestamp) -> Time {
    Time { nanos: 0, ..Time::from(now) }
}

fn kind_of(object: &Value) -> GroupVersionKind {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let group_version = GroupVersion::parse(text("apiVersion")).unwrap_or_default();
    group_version.with_kind(text("kind").to_owned())
}

fn managed_fields(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn entries_of(object: &Value) -> Result<Vec<ManagedFieldsEntry>, String> {
    let entries = managed_fields(object).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = |entry: &Value| ManagedFieldsEntry::from_value(entry).map_err(|error| error.to_string());
    entries.iter().map(read).collect()
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    object
}

fn set_managed_fields(object: &mut Value, entries: &[ManagedFieldsEntry]) {
    let Some(map) = object.as_object_mut() else { return };
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.shift_remove("managedFields");
        if !entries.is_empty() {
            let entries = entries.iter().map(ManagedFieldsEntry::to_value).collect();
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }
}

fn last_applied(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(LAST_APPLIED_ANNOTATION)?.as_str()
}

/// Keeps the annotation of client-side apply up to date, so that one may go back to it.
fn set_last_applied(object: &mut Value, config: &Value) {
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED_ANNOTATION);
    }
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else {
        return;
    };
    annotations.insert(
        LAST_APPLIED_ANNOTATION.to_owned(),
        Value::String(format!("{}\n", go_json(&sorted(&config)))),
    );
    let size: usize =
        annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATIONS_SIZE {
        annotations.shift_remove(LAST_APPLIED_ANNOTATION);
    }
}

/// The value with the keys of every map in order, as Go writes maps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Takes from a manager what nobody owns.
fn strip(managed: &mut Managed, id: &ManagerId) {
    if let Some(owned) = managed.fields.get_mut(id) {
        owned.set = owned.set.difference(&Set::of_fields(UNOWNED));
        if owned.set.is_empty() {
            managed.fields.remove(id);
        }
    }
}

/// Merges the oldest managers who update, version by version, until there are no more than allowed.
fn cap_update_managers(mut managed: Managed) -> Managed {
    let mut updaters: Vec<ManagerId> =
        managed.fields.keys().filter(|id| id.operation != APPLY).cloned().collect();
    let mut count = updaters.len();
    if count <= MAX_UPDATE_MANAGERS {
        return managed;
    }
    let seconds = |id: &ManagerId| managed.times.get(id).map_or(0, |time| time.seconds);
    updaters.sort_by(|left, right| seconds(left).cmp(&seconds(right)).then_with(|| left.cmp(right)));
    let mut first_of_version: Vec<(String, ManagerId)> = Vec::new();
    for id in updaters {
        if count <= MAX_UPDATE_MANAGERS {
            break;
        }
        let Some(owned) = managed.fields.get(&id).cloned() else { continue };
        let version = owned.api_version.clone();
        let Some((_, first)) = first_of_version.iter().find(|(known, _)| *known == version) else {
            first_of_version.push((version, id));
            continue;
        };
        let bucket = ManagerId::new(OLD_UPDATES_MANAGER, UPDATE, &version, "");
        if !managed.fields.contains_key(&bucket)
            && let Some(first) = managed.fields.remove(first)
        {
            managed.fields.insert(bucket.clone(), first);
        }
        let merged = managed
            .fields
            .entry(bucket.clone())
            .or_insert_with(|| Owned { set: Set::new(), api_version: version });
        merged.set.extend(&owned.set);
        if id != bucket {
            managed.fields.remove(&id);
        }
        count -= 1;
        if let Some(time) = managed.times.get(&id).copied() {
            managed.times.insert(bucket, time);
        }
    }
    managed
}
