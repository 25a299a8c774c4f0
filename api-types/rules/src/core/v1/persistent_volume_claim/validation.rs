//! Validation of persistent volume claims.

use crate::{core::v1::resource_names, meta, report::Report};
use api_types::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use machinery::{
    Quantity,
    field::{ErrorList, Path},
    names,
};
use std::cmp::Ordering;

/// Annotation that named the class before the field did.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// Ways in which volumes can be mounted.
pub const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// What a stored claim may keep.
#[derive(Clone, Copy, Debug, Default)]
struct Allowances {
    bad_selector_values: bool,
    bad_source_group: bool,
}

/// A claim spec wherever it stands.
pub fn validate_spec(spec: &PersistentVolumeClaimSpec, path: &Path, errors: &mut ErrorList) {
    validate_spec_with(spec, path, Allowances::default(), errors);
}

fn validate_spec_with(
    spec: &PersistentVolumeClaimSpec,
    path: &Path,
    allow: Allowances,
    errors: &mut ErrorList,
) {
    validate_access_modes(
        &spec.access_modes,
        "at least 1 access mode is required",
        &path.child("accessModes"),
        errors,
    );
    if let Some(selector) = &spec.selector {
        errors.extend(meta::validate_label_selector(
            selector,
            allow.bad_selector_values,
            &path.child("selector"),
        ));
    }
    let storage = path.child("resources").key("storage");
    match spec.resources.requests.get("storage") {
        None => errors.required(&storage, ""),
        Some(quantity) => {
            let positive = resource_names::validate_positive(quantity, &storage);
            if positive.is_empty() {
                errors.extend(resource_names::validate_quantity("storage", quantity, &storage));
            }
            errors.extend(positive);
        }
    }
    for (field, class) in [
        ("storageClassName", &spec.storage_class_name),
        ("volumeAttributesClassName", &spec.volume_attributes_class_name),
    ] {
        if let Some(class) = class.as_deref().filter(|class| !class.is_empty()) {
            errors.invalid_each(&path.child(field), class, names::name_is_dns_subdomain(class, false));
        }
    }
    validate_volume_mode(spec.volume_mode.as_deref(), &path.child("volumeMode"), errors);
    validate_sources(spec, path, allow, errors);
}

/// Access modes: known ones, and `ReadWriteOncePod` alone.
pub fn validate_access_modes(modes: &[String], missing: &str, path: &Path, errors: &mut ErrorList) {
    if modes.is_empty() {
        errors.required(path, missing);
    }
    for mode in modes {
        if !ACCESS_MODES.contains(&mode.as_str()) {
            errors.not_supported(path, mode, ACCESS_MODES);
        }
    }
    let single = modes.iter().any(|mode| mode == "ReadWriteOncePod");
    let other = modes.iter().any(|mode| mode != "ReadWriteOncePod" && ACCESS_MODES.contains(&mode.as_str()));
    if single && other {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

/// `Block` or `Filesystem`.
pub fn validate_volume_mode(mode: Option<&str>, path: &Path, errors: &mut ErrorList) {
    if let Some(mode) = mode
        && !matches!(mode, "Block" | "Filesystem")
    {
        errors.not_supported(path, mode, &["Block", "Filesystem"]);
    }
}

fn validate_source(
    name: &str,
    kind: &str,
    group: Option<&str>,
    path: &Path,
    allow: Allowances,
    errors: &mut ErrorList,
) {
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    if kind.is_empty() {
        errors.required(&path.child("kind"), "");
    }
    let group = group.unwrap_or_default();
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        errors.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if !group.is_empty() && !allow.bad_source_group {
        errors.invalid_each(&path.child("apiGroup"), group, names::is_dns1123_subdomain(group));
    }
}

fn validate_sources(
    spec: &PersistentVolumeClaimSpec,
    path: &Path,
    allow: Allowances,
    errors: &mut ErrorList,
) {
    if let Some(source) = &spec.data_source {
        validate_source(
            &source.name,
            &source.kind,
            source.api_group.as_deref(),
            &path.child("dataSource"),
            allow,
            errors,
        );
    }
    let Some(reference) = &spec.data_source_ref else { return };
    let at = path.child("dataSourceRef");
    validate_source(&reference.name, &reference.kind, reference.api_group.as_deref(), &at, allow, errors);
    let namespace = reference.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    if let Some(namespace) = namespace {
        errors.invalid_each(&at.child("namespace"), namespace, names::name_is_dns_label(namespace, false));
    }
    if let Some(source) = &spec.data_source {
        let shown = path.child("dataSource").to_string();
        if namespace.is_some() {
            errors.invalid(path, shown, "may not be specified when dataSourceRef.namespace is specified");
        } else if (&source.api_group, &source.kind, &source.name)
            != (&reference.api_group, &reference.kind, &reference.name)
        {
            errors.invalid(path, shown, "must match dataSourceRef");
        }
    }
}

/// A claim.
pub fn validate(claim: &PersistentVolumeClaim) -> ErrorList {
    validate_with(claim, Allowances::default())
}

fn validate_with(claim: &PersistentVolumeClaim, allow: Allowances) -> ErrorList {
    let mut errors =
        meta::validate(&claim.metadata, true, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec_with(&claim.spec, &Path::new("spec"), allow, &mut errors);
    errors
}

fn storage(list: &crate::core::v1::resource_list::ResourceList) -> Quantity {
    list.get("storage").cloned().unwrap_or_else(|| Quantity("0".to_owned()))
}

/// A changed claim: bound claims may grow and change their attributes class, nothing else.
pub fn validate_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> ErrorList {
    let has_group = old.spec.data_source.as_ref().is_some_and(|source| source.api_group.is_some())
        || old.spec.data_source_ref.as_ref().is_some_and(|source| source.api_group.is_some());
    let allow = Allowances {
        bad_selector_values: meta::has_bad_selector_value(old.spec.selector.as_deref()),
        bad_source_group: has_group,
    };
    let metadata = Path::new("metadata");
    let spec_path = Path::new("spec");
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &metadata);
    errors.extend(validate_with(new, allow));
    let (mut now, mut before) = (new.spec.clone(), old.spec.clone());
    // The binder fills in the volume.
    if before.volume_name.is_empty() {
        before.volume_name = now.volume_name.clone();
    }
    let (class_now, class_before) =
        (new.metadata.annotations.get(CLASS_ANNOTATION), old.metadata.annotations.get(CLASS_ANNOTATION));
    let upgraded = class_before.is_some()
        && old.spec.storage_class_name.is_none()
        && new.spec.storage_class_name.as_ref() == class_before
        && (class_now.is_none() || class_now == class_before);
    if upgraded {
        now.storage_class_name = None;
    } else {
        if class_now.map_or("", String::as_str) != class_before.map_or("", String::as_str) {
            let path = metadata.child("annotations").key(CLASS_ANNOTATION);
            errors.invalid(&path, class_now.map_or("", String::as_str), crate::report::IMMUTABLE);
        }
        let filled = new.spec.storage_class_name.is_some()
            && old.spec.storage_class_name.is_none()
            && class_before.is_none_or(|class| Some(class) == new.spec.storage_class_name.as_ref());
        if filled {
            now.storage_class_name = None;
        }
    }
    if new.status.phase == "Bound" {
        if !now.resources.requests.is_empty() {
            now.resources.requests.insert("storage".to_owned(), storage(&old.spec.resources.requests));
        }
        now.volume_attributes_class_name = before.volume_attributes_class_name.clone();
    }
    if now != before {
        errors.forbidden(&spec_path, "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n");
    }
    let (size, old_size) = (storage(&new.spec.resources.requests), storage(&old.spec.resources.requests));
    if size.compare(&old_size) == Ordering::Less
        && size.compare(&storage(&old.status.capacity)) != Ordering::Greater
    {
        let path = Path::of(&["spec", "resources", "requests", "storage"]);
        errors.forbidden(&path, "field can not be less than status.capacity");
    }
    errors.unchanged(
        &Path::new("volumeMode"),
        &new.spec.volume_mode,
        &old.spec.volume_mode,
        new.spec.volume_mode.clone(),
    );
    let class = &new.spec.volume_attributes_class_name;
    if *class != old.spec.volume_attributes_class_name
        && old.status.current_volume_attributes_class_name.is_some()
    {
        let path = spec_path.child("volumeAttributesClassName");
        match class.as_deref() {
            None => errors.forbidden(
                &path,
                "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil",
            ),
            Some("") => errors.forbidden(
                &path,
                "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil",
            ),
            Some(_) => {}
        }
    }
    errors
}

const RESIZE_STATES: &[&str] = &[
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
];

fn validate_resource_key(name: &str, path: &Path, errors: &mut ErrorList) -> bool {
    let before = errors.len();
    errors.invalid_each(path, name, names::is_qualified_name(name));
    if errors.len() == before && crate::core::v1::resource_list::is_native(name) && name != "storage" {
        errors.not_supported(path, name, &["storage"]);
    }
    errors.len() == before
}

/// A changed status.
pub fn validate_status_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    if new.spec.access_modes.is_empty() {
        errors.required(&Path::of(&["Spec", "accessModes"]), "");
    }
    let basic = |quantity: &Quantity, path: &Path, errors: &mut ErrorList| {
        if quantity.value() < 0 {
            errors.invalid(path, quantity.value(), "must be a valid resource quantity");
        }
    };
    for (name, quantity) in &new.status.capacity {
        basic(quantity, &Path::of(&["status", "capacity"]).key(name), &mut errors);
    }
    let states = Path::of(&["status", "allocatedResourceStatuses"]);
    for (name, state) in &new.status.allocated_resource_statuses {
        validate_resource_key(name, &states, &mut errors);
        if !RESIZE_STATES.contains(&state.as_str()) {
            errors.not_supported(&states, name, RESIZE_STATES);
        }
    }
    let allocated = Path::of(&["status", "allocatedResources"]);
    for (name, quantity) in &new.status.allocated_resources {
        if validate_resource_key(name, &allocated, &mut errors) {
            basic(quantity, &allocated.key(name), &mut errors);
        }
    }
    errors
}
