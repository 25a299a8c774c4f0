//! Rules for the metadata every object has.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`, `.../apis/meta/v1/validation`.

use crate::report::Report;
use machinery::{
    Message,
    field::{ErrorList, Path},
    meta::v1::{
        Condition, LabelSelector, LabelSelectorRequirement, ManagedFieldsEntry, ObjectMeta, OwnerReference,
    },
    names,
};
use std::collections::{BTreeMap, BTreeSet};

/// How the name of a kind is checked. The second argument is true for a prefix (`generateName`).
pub type NameRule = fn(&str, bool) -> Vec<String>;

/// Most bytes all annotations of an object may have together.
pub const ANNOTATIONS_SIZE: usize = 256 * 1024;

/// True for a well-formed label key.
pub fn is_qualified_name(value: &str) -> bool {
    names::is_qualified_name(value).is_empty()
}

/// Metadata of an object about to be created, its name already generated.
pub fn validate(meta: &ObjectMeta, namespaced: bool, rule: NameRule, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if !meta.generate_name.is_empty() {
        errors.invalid_each(
            &path.child("generateName"),
            &meta.generate_name,
            rule(&meta.generate_name, true),
        );
    }
    if meta.name.is_empty() {
        errors.required(&path.child("name"), "name or generateName is required");
    } else {
        errors.invalid_each(&path.child("name"), &meta.name, rule(&meta.name, false));
    }
    if !namespaced {
        if !meta.namespace.is_empty() {
            errors.forbidden(&path.child("namespace"), "not allowed on this type");
        }
    } else if meta.namespace.is_empty() {
        errors.required(&path.child("namespace"), "");
    } else {
        errors.invalid_each(
            &path.child("namespace"),
            &meta.namespace,
            names::name_is_dns_label(&meta.namespace, false),
        );
    }
    errors.non_negative(&path.child("generation"), meta.generation);
    validate_shared(meta, path, &mut errors);
    errors.extend(validate_finalizers(&meta.finalizers, &path.child("finalizers")));
    errors.extend(validate_managed_fields(&meta.managed_fields, &path.child("managedFields")));
    errors
}

/// A name with the domain of who gave it, `acme.io/foo`.
pub fn validate_domain_prefixed_path(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let Some((host, rest)) = name.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty())
    else {
        return errors.invalid(path, name, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    errors.invalid_each(path, host, names::is_dns1123_subdomain(host));
    if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte)) {
        let pattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
        errors.invalid(path, rest, names::pattern_error("Invalid path", pattern, &[]));
    }
}

/// Metadata of an object about to replace another.
pub fn validate_update(new: &ObjectMeta, old: &ObjectMeta, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if old.deletion_timestamp.is_some() {
        let present: BTreeSet<&String> = old.finalizers.iter().collect();
        let added: BTreeSet<&String> = new.finalizers.iter().filter(|name| !present.contains(name)).collect();
        if !added.is_empty() {
            let list = added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            errors.forbidden(
                &path.child("finalizers"),
                format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"),
            );
        }
    }
    if new.resource_version.is_empty() {
        errors.invalid(&path.child("resourceVersion"), "", "must be specified for an update");
    }
    if new.generation < old.generation {
        errors.invalid(&path.child("generation"), new.generation, "must not be decremented");
    }
    errors.unchanged(&path.child("name"), &new.name, &old.name, &new.name);
    errors.unchanged(&path.child("namespace"), &new.namespace, &old.namespace, &new.namespace);
    errors.unchanged(&path.child("uid"), &new.uid, &old.uid, &new.uid);
    errors.unchanged(
        &path.child("creationTimestamp"),
        &new.creation_timestamp,
        &old.creation_timestamp,
        new.creation_timestamp.to_string(),
    );
    let deleted = new.deletion_timestamp.map(|time| time.to_string());
    errors.unchanged(
        &path.child("deletionTimestamp"),
        &new.deletion_timestamp,
        &old.deletion_timestamp,
        deleted,
    );
    errors.unchanged(
        &path.child("deletionGracePeriodSeconds"),
        &new.deletion_grace_period_seconds,
        &old.deletion_grace_period_seconds,
        new.deletion_grace_period_seconds,
    );
    validate_shared(new, path, &mut errors);
    errors.extend(validate_managed_fields(&new.managed_fields, &path.child("managedFields")));
    errors
}

fn validate_shared(meta: &ObjectMeta, path: &Path, errors: &mut ErrorList) {
    errors.extend(validate_labels(&meta.labels, &path.child("labels")));
    errors.extend(validate_annotations(&meta.annotations, &path.child("annotations")));
    errors.extend(validate_owner_references(&meta.owner_references, &path.child("ownerReferences")));
}

/// Label keys and values.
pub fn validate_labels(labels: &BTreeMap<String, String>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels {
        errors.invalid_each(path, key, names::is_qualified_name(key));
        errors.invalid_each(path, value, names::is_label_value(value));
    }
    errors
}

/// Annotation keys and the size of all of them.
pub fn validate_annotations(annotations: &BTreeMap<String, String>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut size = 0;
    for (key, value) in annotations {
        errors.invalid_each(path, key, names::is_qualified_name(&key.to_lowercase()));
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_SIZE {
        errors.too_long(path, ANNOTATIONS_SIZE);
    }
    errors
}

/// Owners are complete, none is an event, and at most one is the controller.
pub fn validate_owner_references(references: &[OwnerReference], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<String> = None;
    for reference in references {
        // `v1` and `apps/v1` have a version; more than one slash makes neither.
        let version = match reference.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [version] | [_, version] => *version,
            _ => "",
        };
        if version.is_empty() {
            errors.invalid(&path.child("apiVersion"), &reference.api_version, "version must not be empty");
        }
        for (field, value) in [("kind", &reference.kind), ("name", &reference.name), ("uid", &reference.uid)]
        {
            if value.is_empty() {
                errors.invalid(&path.child(field), value, "must not be empty");
            }
        }
        if reference.api_version == "v1" && reference.kind == "Event" {
            errors.invalid(path, reference.to_value(), "/v1, Kind=Event is disallowed from being an owner");
        }
        if reference.controller == Some(true) {
            let current = format!("{}/{}", reference.kind, reference.name);
            match &controller {
                Some(first) => {
                    let all = serde_json::Value::Array(references.iter().map(Message::to_value).collect());
                    errors.invalid(
                        path,
                        all,
                        format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}"),
                    );
                }
                None => controller = Some(current),
            }
        }
    }
    errors
}

/// Finalizers are qualified names, and the two propagation finalizers exclude each other.
pub fn validate_finalizers(finalizers: &[String], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for name in finalizers {
        errors.invalid_each(path, name, names::is_qualified_name(name));
    }
    let has = |wanted: &str| finalizers.iter().any(|name| name == wanted);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
    }
    errors
}

/// Managed fields entries, as clients may send them.
pub fn validate_managed_fields(entries: &[ManagedFieldsEntry], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = path.index(index);
        if entry.operation != "Apply" && entry.operation != "Update" {
            errors.invalid(&path.child("operation"), &entry.operation, "must be `Apply` or `Update`");
        }
        if !entry.fields_type.is_empty() && entry.fields_type != "FieldsV1" {
            errors.invalid(&path.child("fieldsType"), &entry.fields_type, "must be `FieldsV1`");
        }
        errors.extend(validate_field_manager(&entry.manager, &path.child("manager")));
        if entry.subresource.len() > 256 {
            errors.too_long(&path.child("subresource"), 256);
        }
    }
    errors
}

/// Name of a field manager: printable, at most 128 bytes.
pub fn validate_field_manager(manager: &str, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if manager.len() > 128 {
        errors.too_long(path, 128);
    }
    for (position, character) in manager.char_indices() {
        if character.is_control() || character.is_whitespace() && character != ' ' {
            let shown = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
            errors.invalid(path, manager, shown);
        }
    }
    errors
}

/// A label selector. `allow_bad_values` keeps selectors valid that older servers accepted.
pub fn validate_label_selector(selector: &LabelSelector, allow_bad_values: bool, path: &Path) -> ErrorList {
    let mut errors = validate_labels(&selector.match_labels, &path.child("matchLabels"));
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        errors.extend(validate_requirement(
            requirement,
            allow_bad_values,
            &path.child("matchExpressions").index(index),
        ));
    }
    errors
}

fn validate_requirement(
    requirement: &LabelSelectorRequirement,
    allow_bad_values: bool,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => {
            errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
            errors.forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            );
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
    }
    errors.invalid_each(&path.child("key"), &requirement.key, names::is_qualified_name(&requirement.key));
    if !allow_bad_values {
        for (index, value) in requirement.values.iter().enumerate() {
            errors.invalid_each(&path.child("values").index(index), value, names::is_label_value(value));
        }
    }
    errors
}

/// True when an expression of the selector has a value no label can have.
pub fn has_bad_selector_value(selector: Option<&LabelSelector>) -> bool {
    selector.is_some_and(|selector| {
        selector.match_expressions.iter().any(|requirement| {
            requirement.values.iter().any(|value| !names::is_label_value(value).is_empty())
        })
    })
}

/// True for a selector that selects everything.
pub fn is_empty_selector(selector: &LabelSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

/// Conditions of the shared form.
pub fn validate_conditions(conditions: &[Condition], path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if !seen.insert(&condition.type_) {
            errors.duplicate(&path.child("type"), &condition.type_);
        }
        errors.invalid_each(
            &path.child("type"),
            &condition.type_,
            names::is_qualified_name(&condition.type_),
        );
        if !matches!(condition.status.as_str(), "True" | "False" | "Unknown") {
            errors.not_supported(&path.child("status"), &condition.status, &["False", "True", "Unknown"]);
        }
        if condition.observed_generation < 0 {
            errors.invalid(
                &path.child("observedGeneration"),
                condition.observed_generation,
                "must be greater than or equal to zero",
            );
        }
        if condition.last_transition_time.is_zero() {
            errors.required(&path.child("lastTransitionTime"), "");
        }
        if condition.reason.is_empty() {
            errors.required(&path.child("reason"), "");
        } else {
            if !is_condition_reason(&condition.reason) {
                errors.invalid(&path.child("reason"), &condition.reason, names::pattern_error(
                    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
                    "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
                    &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
                ));
            }
            if condition.reason.len() > 1024 {
                errors.too_long(&path.child("reason"), 1024);
            }
        }
        if condition.message.len() > 32 * 1024 {
            errors.too_long(&path.child("message"), 32 * 1024);
        }
    }
    errors
}

fn is_condition_reason(reason: &str) -> bool {
    reason.starts_with(|first: char| first.is_ascii_alphabetic())
        && reason.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_')
        && reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b':'))
}

/// The owner that manages the object.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|reference| reference.controller == Some(true))
}

/// True when the object is managed by the owner with this uid.
pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller_of(meta).is_some_and(|reference| reference.uid == uid)
}

/// The owner reference a controller writes into what it makes.
pub fn controller_reference(owner: &ObjectMeta, api_version: &str, kind: &str) -> OwnerReference {
    OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
