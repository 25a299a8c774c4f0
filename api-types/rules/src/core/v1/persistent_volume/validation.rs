//! Validation of persistent volumes.

use super::sources;
use crate::{
    core::v1::{
        persistent_volume_claim::validation::{validate_access_modes, validate_volume_mode},
        pod::{scheduling_validation::validate_node_selector, warnings::label_warning},
        resource_names,
    },
    meta,
    report::Report,
};
use api_types::core::v1::{PersistentVolume, PersistentVolumeSpec};
use machinery::{
    Message,
    field::{ErrorList, Path},
    names,
};

/// Annotation that carried mount options before the field did.
pub const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
/// Annotation that named the class before the field did.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const RECLAIM_POLICIES: &[&str] = &["Delete", "Recycle", "Retain"];

fn validate_capacity(spec: &PersistentVolumeSpec, path: &Path, errors: &mut ErrorList) {
    let path = path.child("capacity");
    if spec.capacity.is_empty() {
        errors.required(&path, "");
    }
    if !spec.capacity.contains_key("storage") || spec.capacity.len() > 1 {
        let shown = spec
            .capacity
            .iter()
            .map(|(name, quantity)| format!("{name}:{quantity}"))
            .collect::<Vec<_>>()
            .join(" ");
        errors.not_supported(&path, &format!("map[{shown}]"), &["storage"]);
    }
    for (name, quantity) in &spec.capacity {
        let path = path.key(name.as_str());
        errors.extend(resource_names::validate_non_negative(quantity, &path));
        errors.extend(resource_names::validate_positive(quantity, &path));
    }
}

fn is_root(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "." | ".."))
}

fn validate_affinity(
    spec: &PersistentVolumeSpec,
    allow_bad_values: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let Some(affinity) = &spec.node_affinity else { return };
    let path = path.child("nodeAffinity").child("required");
    match &affinity.required {
        Some(selector) => validate_node_selector(selector, allow_bad_values, &path, errors),
        None => errors.required(&path, "must specify required node constraints"),
    }
}

fn validate_class(spec: &PersistentVolumeSpec, path: &Path, errors: &mut ErrorList) {
    if !spec.storage_class_name.is_empty() {
        let class = &spec.storage_class_name;
        errors.invalid_each(
            &path.child("storageClassName"),
            class,
            names::name_is_dns_subdomain(class, false),
        );
    }
    validate_volume_mode(spec.volume_mode.as_deref(), &path.child("volumeMode"), errors);
}

fn validate_attributes_class(spec: &PersistentVolumeSpec, path: &Path, errors: &mut ErrorList) {
    let Some(class) = &spec.volume_attributes_class_name else { return };
    let at = path.child("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&at, "an empty string is disallowed");
    } else {
        errors.invalid_each(&at, class, names::name_is_dns_subdomain(class, false));
    }
    if spec.persistent_volume_source.csi.is_none() {
        errors.required(&path.child("csi"), "has to be specified when using volumeAttributesClassName");
    }
}

fn validate_spec(spec: &PersistentVolumeSpec, name: &str, allow_bad_values: bool, errors: &mut ErrorList) {
    let path = Path::new("spec");
    validate_access_modes(&spec.access_modes, "", &path.child("accessModes"), errors);
    validate_capacity(spec, &path, errors);
    let policy = &spec.persistent_volume_reclaim_policy;
    let policy_path = path.child("persistentVolumeReclaimPolicy");
    if !policy.is_empty() && !RECLAIM_POLICIES.contains(&policy.as_str()) {
        errors.not_supported(&policy_path, policy, RECLAIM_POLICIES);
    }
    validate_affinity(spec, allow_bad_values, &path, errors);
    sources::validate(&spec.persistent_volume_source, name, spec.node_affinity.is_some(), &path, errors);
    let on_root = spec.persistent_volume_source.host_path.as_ref().is_some_and(|host| is_root(&host.path));
    if on_root && policy == "Recycle" {
        errors.forbidden(&policy_path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    validate_class(spec, &path, errors);
    validate_attributes_class(spec, &path, errors);
}

/// A volume described inside of an attachment.
pub fn validate_inline(spec: &PersistentVolumeSpec, path: &Path, errors: &mut ErrorList) {
    let inline = "may not be specified in the context of inline volumes";
    if spec.claim_ref.is_some() {
        errors.forbidden(&path.child("claimRef"), inline);
    }
    if !spec.capacity.is_empty() {
        errors.forbidden(&path.child("capacity"), inline);
    }
    if spec.persistent_volume_source.csi.is_none() {
        errors.required(&path.child("csi"), "has to be specified in the context of inline volumes");
    }
    validate_access_modes(&spec.access_modes, "", &path.child("accessModes"), errors);
    if !matches!(spec.persistent_volume_reclaim_policy.as_str(), "" | "Retain") {
        errors.forbidden(
            &path.child("persistentVolumeReclaimPolicy"),
            "may only be Retain in the context of inline volumes",
        );
    }
    if spec.node_affinity.is_some() {
        errors.forbidden(&path.child("nodeAffinity"), inline);
    }
    sources::validate(&spec.persistent_volume_source, "", false, path, errors);
    if !spec.storage_class_name.is_empty() {
        errors.forbidden(&path.child("storageClassName"), inline);
    }
    if spec.volume_mode.as_deref().is_some_and(|mode| mode != "Filesystem") {
        let why = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.forbidden(&path.child("volumeMode"), why);
    }
}

fn validate_mount_options(volume: &PersistentVolume, errors: &mut ErrorList) {
    let source = &volume.spec.persistent_volume_source;
    let mounts_with_options = source.gce_persistent_disk.is_some()
        || source.aws_elastic_block_store.is_some()
        || source.glusterfs.is_some()
        || source.nfs.is_some()
        || source.rbd.is_some()
        || source.quobyte.is_some()
        || source.iscsi.is_some()
        || source.cinder.is_some()
        || source.cephfs.is_some()
        || source.azure_file.is_some()
        || source.vsphere_volume.is_some()
        || source.azure_disk.is_some()
        || source.photon_persistent_disk.is_some();
    if !mounts_with_options && volume.metadata.annotations.contains_key(MOUNT_OPTIONS) {
        let path = Path::of(&["metadata", "annotations", MOUNT_OPTIONS]);
        errors.forbidden(&path, "may not specify mount options for this volume type");
    }
}

fn validate_with(volume: &PersistentVolume, allow_bad_values: bool) -> ErrorList {
    let mut errors =
        meta::validate(&volume.metadata, false, names::name_is_dns_subdomain, &Path::new("metadata"));
    validate_spec(&volume.spec, &volume.metadata.name, allow_bad_values, &mut errors);
    validate_mount_options(volume, &mut errors);
    errors
}

/// A new volume.
pub fn validate(volume: &PersistentVolume) -> ErrorList {
    validate_with(volume, false)
}

/// A changed volume: its data stays where it is.
pub fn validate_update(new: &PersistentVolume, old: &PersistentVolume) -> ErrorList {
    let mut before = ErrorList::new();
    validate_affinity(&old.spec, false, &Path::new("spec"), &mut before);
    let mut errors = validate_with(new, !before.is_empty());
    let (mut now, before) = (new.spec.persistent_volume_source.clone(), &old.spec.persistent_volume_source);
    if let (Some(now), Some(before)) = (&mut now.csi, &before.csi)
        && before.controller_expand_secret_ref.is_none()
    {
        now.controller_expand_secret_ref = None;
    }
    if now != *before {
        let why = "spec.persistentvolumesource is immutable after creation\n";
        errors.forbidden(&Path::of(&["spec", "persistentvolumesource"]), why);
    }
    errors.unchanged(
        &Path::new("volumeMode"),
        &new.spec.volume_mode,
        &old.spec.volume_mode,
        new.spec.volume_mode.clone(),
    );
    if old.spec.node_affinity.is_some() && !same_affinity(new, old) {
        let shown = new.spec.node_affinity.as_ref().map(|affinity| affinity.to_value());
        errors.invalid(
            &Path::new("nodeAffinity"),
            shown,
            "field is immutable, except for updating from beta label to GA",
        );
    }
    if old.spec.volume_attributes_class_name.is_some() && new.spec.volume_attributes_class_name.is_none() {
        let path = Path::of(&["spec", "volumeAttributesClassName"]);
        errors.forbidden(&path, "update from non-nil value to nil is forbidden");
    }
    errors
}

/// Labels that may be given their new name in a volume's affinity.
const RENAMED: &[(&str, &str)] = &[
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
];

fn same_affinity(new: &PersistentVolume, old: &PersistentVolume) -> bool {
    let mut renamed = old.spec.node_affinity.clone();
    let now = &new.spec.node_affinity;
    let terms = |affinity: &Option<Box<api_types::core::v1::VolumeNodeAffinity>>| {
        affinity
            .as_ref()
            .and_then(|affinity| affinity.required.as_ref())
            .map(|selector| selector.node_selector_terms.clone())
            .unwrap_or_default()
    };
    let current = terms(now);
    if let Some(selector) = renamed.as_mut().and_then(|affinity| affinity.required.as_mut()) {
        for (term, current) in selector.node_selector_terms.iter_mut().zip(&current) {
            for (requirement, current) in term.match_expressions.iter_mut().zip(&current.match_expressions) {
                if RENAMED.contains(&(&requirement.key, &current.key)) {
                    requirement.key.clone_from(&current.key);
                }
            }
        }
    }
    renamed == *now
}

/// A changed status.
pub fn validate_status_update(new: &PersistentVolume, old: &PersistentVolume) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    if new.metadata.resource_version.is_empty() {
        errors.required(&Path::new("resourceVersion"), "");
    }
    errors
}

/// What a client should know about a volume that is accepted.
pub fn warnings(volume: &PersistentVolume) -> Vec<String> {
    let mut warnings = Vec::new();
    let deprecated = [
        (CLASS_ANNOTATION, "deprecated since v1.8; use \"storageClassName\" attribute instead"),
        (MOUNT_OPTIONS, "deprecated since v1.31; use \"mountOptions\" attribute instead"),
    ];
    for (key, message) in deprecated {
        if volume.metadata.annotations.contains_key(key) {
            warnings.push(format!("{}: {message}", Path::of(&["metadata", "annotations"]).key(key)));
        }
    }
    let spec = &volume.spec;
    if spec.persistent_volume_reclaim_policy == "Recycle" {
        warnings.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
    }
    let required = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    for (index, term) in
        required.map(|required| required.node_selector_terms.iter()).into_iter().flatten().enumerate()
    {
        let path = Path::of(&["spec", "nodeAffinity", "required", "nodeSelectorTerms"])
            .index(index)
            .child("matchExpressions");
        for (index, expression) in term.match_expressions.iter().enumerate() {
            if let Some(message) = label_warning(&expression.key) {
                warnings.push(format!("{}: {} is {message}", path.index(index).child("key"), expression.key));
            }
        }
    }
    let source = &spec.persistent_volume_source;
    let dead = [
        (source.cephfs.is_some(), "cephfs: deprecated in v1.28, non-functional in v1.31+"),
        (
            source.photon_persistent_disk.is_some(),
            "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
        ),
        (source.scale_io.is_some(), "scaleIO: deprecated in v1.16, non-functional in v1.22+"),
        (source.storageos.is_some(), "storageOS: deprecated in v1.22, non-functional in v1.25+"),
        (source.glusterfs.is_some(), "glusterfs: deprecated in v1.25, non-functional in v1.26+"),
        (source.rbd.is_some(), "rbd: deprecated in v1.28, non-functional in v1.31+"),
    ];
    warnings.extend(dead.iter().filter(|(used, _)| *used).map(|(_, message)| format!("spec.{message}")));
    warnings
}
