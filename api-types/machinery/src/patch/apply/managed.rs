//! `metadata.managedFields`: who owns which fields, decoded and encoded.

use std::collections::BTreeMap;

use super::set::Set;
use crate::Time;
use crate::meta::v1::{FieldsV1, ManagedFieldsEntry};
use crate::quote::go_quote;

/// The operation of a manager who applies.
pub const APPLY: &str = "Apply";
/// The operation of a manager who creates, updates or patches.
pub const UPDATE: &str = "Update";
const FIELDS_V1: &str = "FieldsV1";

/// Why `managedFields` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagedFieldsError {
    /// The operation is neither.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// The version is absent.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// The type of the fields is absent.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// The type of the fields is not known.
    #[error("invalid fieldsType {} in managed fields entry {index}", go_quote(.fields_type))]
    FieldsType {
        /// Position of the entry.
        index: usize,
        /// The type.
        fields_type: String,
    },
    /// The fields cannot be read.
    #[error("error decoding versioned set of manager {}: {reason}", go_quote(.manager))]
    Fields {
        /// The manager.
        manager: String,
        /// What is wrong.
        reason: String,
    },
}

/// Who a manager is: two entries with the same identity are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) name: String,
    pub(super) operation: &'static str,
    /// Empty for those who apply: they stay the same when they apply another version.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl ManagerId {
    pub(super) fn new(
        name: &str,
        operation: &'static str,
        api_version: &str,
        subresource: &str,
    ) -> ManagerId {
        ManagerId {
            name: name.to_owned(),
            operation,
            api_version: if operation == APPLY { String::new() } else { api_version.to_owned() },
            subresource: subresource.to_owned(),
        }
    }

    /// The manager as conflict messages name it.
    pub(super) fn describe(&self) -> String {
        let mut text = go_quote(&self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", go_quote(&self.subresource)));
        }
        if self.operation == UPDATE {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// What a manager owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owned {
    pub(super) set: Set,
    /// The version in whose terms the set is.
    pub(super) api_version: String,
}

/// All managers of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managed {
    pub(super) fields: BTreeMap<ManagerId, Owned>,
    pub(super) times: BTreeMap<ManagerId, Time>,
}

impl Managed {
    pub(super) fn decode(entries: &[ManagedFieldsEntry]) -> Result<Managed, ManagedFieldsError> {
        let mut managed = Managed::default();
        for (index, entry) in entries.iter().enumerate() {
            let operation = match entry.operation.as_str() {
                APPLY => APPLY,
                UPDATE => UPDATE,
                _ => return Err(ManagedFieldsError::Operation),
            };
            if entry.api_version.is_empty() {
                return Err(ManagedFieldsError::ApiVersion);
            }
            match entry.fields_type.as_str() {
                FIELDS_V1 => {}
                "" => return Err(ManagedFieldsError::NoFieldsType(index)),
                other => {
                    return Err(ManagedFieldsError::FieldsType { index, fields_type: other.to_owned() });
                }
            }
            let id = ManagerId::new(&entry.manager, operation, &entry.api_version, &entry.subresource);
            let set = decode_fields(entry)?;
            managed.fields.insert(id.clone(), Owned { set, api_version: entry.api_version.clone() });
            if let Some(time) = &entry.time {
                managed.times.insert(id, *time);
            }
        }
        Ok(managed)
    }

    /// The entries, those who apply first, then by time and name.
    pub(super) fn encode(&self) -> Vec<ManagedFieldsEntry> {
        let mut entries: Vec<ManagedFieldsEntry> = self
            .fields
            .iter()
            .map(|(id, owned)| ManagedFieldsEntry {
                manager: id.name.clone(),
                operation: id.operation.to_owned(),
                api_version: owned.api_version.clone(),
                time: self.times.get(id).copied(),
                fields_type: FIELDS_V1.to_owned(),
                fields_v1: Some(FieldsV1 { raw: owned.set.encode().to_string().into_bytes() }),
                subresource: id.subresource.clone(),
            })
            .collect();
        let seconds = |entry: &ManagedFieldsEntry| entry.time.map_or(0, |time| time.seconds);
        entries.sort_by(|left, right| {
            left.operation
                .cmp(&right.operation)
                .then_with(|| seconds(left).cmp(&seconds(right)))
                .then_with(|| left.manager.cmp(&right.manager))
                .then_with(|| left.api_version.cmp(&right.api_version))
                .then_with(|| left.subresource.cmp(&right.subresource))
        });
        entries
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

fn decode_fields(entry: &ManagedFieldsEntry) -> Result<Set, ManagedFieldsError> {
    let Some(fields) = &entry.fields_v1 else { return Ok(Set::new()) };
    let failed = |reason: String| ManagedFieldsError::Fields { manager: entry.manager.clone(), reason };
    let value = fields.to_value().map_err(|error| failed(error.to_string()))?;
    Set::decode(&value).map_err(|error| failed(error.to_string()))
}

/// Whether the entries are the same but for times, and some time differs: then a write that changes nothing else is
/// no write, and the old times stay.
pub fn differ_in_time_only(old: &[ManagedFieldsEntry], new: &[ManagedFieldsEntry]) -> bool {
    let same_but_time = |(old, new): (&ManagedFieldsEntry, &ManagedFieldsEntry)| {
        ManagedFieldsEntry { time: None, ..old.clone() } == ManagedFieldsEntry { time: None, ..new.clone() }
    };
    old.len() == new.len()
        && old.iter().zip(new).any(|(old, new)| old.time != new.time)
        && old.iter().zip(new).all(same_but_time)
}
