//! Validation of a container's environment, mounts and devices.

use super::{paths, projections, volumes::Volumes};
use crate::report::Report;
use api_types::core::v1::{Container, EnvFromSource, EnvVar};
use machinery::{
    field::{Error, ErrorList, Path},
    names,
};
use std::collections::BTreeSet;

/// Variables given one by one.
pub fn validate_variables(variables: &[EnvVar], path: &Path, errors: &mut ErrorList) {
    for (index, variable) in variables.iter().enumerate() {
        let path = path.index(index);
        if variable.name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            errors.invalid_each(
                &path.child("name"),
                &variable.name,
                names::is_relaxed_env_var_name(&variable.name),
            );
        }
        validate_source(variable, &path.child("valueFrom"), errors);
    }
}

fn validate_source(variable: &EnvVar, path: &Path, errors: &mut ErrorList) {
    let Some(source) = &variable.value_from else { return };
    let mut sources = 0;
    if let Some(field) = &source.field_ref {
        sources += 1;
        projections::validate_field_selector(field, projections::ENV_FIELDS, &path.child("fieldRef"), errors);
    }
    if let Some(resource) = &source.resource_field_ref {
        sources += 1;
        projections::validate_resource_selector(resource, false, &path.child("resourceFieldRef"), errors);
    }
    if let Some(key) = &source.config_map_key_ref {
        sources += 1;
        validate_key(&key.local_object_reference.name, &key.key, &path.child("configMapKeyRef"), errors);
    }
    if let Some(key) = &source.secret_key_ref {
        sources += 1;
        validate_key(&key.local_object_reference.name, &key.key, &path.child("secretKeyRef"), errors);
    }
    if let Some(file) = &source.file_key_ref {
        sources += 1;
        let path = path.child("fileKeyRef");
        if file.key.is_empty() {
            errors.required(&path.child("key"), "");
        } else {
            errors.invalid_each(&path.child("key"), &file.key, names::is_relaxed_env_var_name(&file.key));
        }
        if file.volume_name.is_empty() {
            errors.required(&path.child("volumeName"), "");
        } else {
            errors.invalid_each(
                &path.child("volumeName"),
                &file.volume_name,
                names::is_dns1123_label(&file.volume_name),
            );
        }
        if file.path.is_empty() {
            errors.required(&path.child("path"), "");
        } else {
            paths::validate_no_backsteps(&file.path, &path.child("path"), errors);
        }
    }
    if sources == 0 {
        errors.invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
    } else if !variable.value.is_empty() {
        errors.invalid(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        errors.invalid(path, "", "may not have more than one field specified at a time");
    }
}

fn validate_key(name: &str, key: &str, path: &Path, errors: &mut ErrorList) {
    errors.invalid_each(&path.child("name"), name, names::name_is_dns_subdomain(name, false));
    if key.is_empty() {
        errors.required(&path.child("key"), "");
    } else {
        errors.invalid_each(&path.child("key"), key, names::is_config_map_key(key));
    }
}

/// Variables taken from whole config maps and secrets.
pub fn validate_sources(sources: &[EnvFromSource], path: &Path, errors: &mut ErrorList) {
    for (index, source) in sources.iter().enumerate() {
        let at = path.index(index);
        if !source.prefix.is_empty() {
            errors.invalid_each(
                &at.child("prefix"),
                &source.prefix,
                names::is_relaxed_env_var_name(&source.prefix),
            );
        }
        let given = [
            (
                "configMapRef",
                source.config_map_ref.as_ref().map(|reference| &reference.local_object_reference.name),
            ),
            ("secretRef", source.secret_ref.as_ref().map(|reference| &reference.local_object_reference.name)),
        ];
        let mut count = 0;
        for (field, name) in given {
            let Some(name) = name else { continue };
            count += 1;
            let path = at.child(field).child("name");
            if name.is_empty() {
                errors.required(&path, "");
            } else {
                errors.invalid_each(&path, name, names::name_is_dns_subdomain(name, true));
            }
        }
        match count {
            0 => errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
        }
    }
}

/// Mounts of a container.
pub fn validate_mounts(container: &Container, volumes: &Volumes<'_>, path: &Path, errors: &mut ErrorList) {
    let mut points = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let at = path.index(index);
        if mount.name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if !volumes.contains_key(mount.name.as_str()) {
            errors.push(Error::not_found(&at.child("name"), &mount.name));
        }
        if mount.mount_path.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if !points.insert(&mount.mount_path) {
            errors.invalid(&at.child("mountPath"), &mount.mount_path, "must be unique");
        }
        if container.volume_devices.iter().any(|device| device.name == mount.name) {
            errors.invalid(&at.child("name"), &mount.name, "must not already exist in volumeDevices");
        }
        if container.volume_devices.iter().any(|device| device.device_path == mount.mount_path) {
            errors.invalid(
                &at.child("mountPath"),
                &mount.mount_path,
                "must not already exist as a path in volumeDevices",
            );
        }
        if !mount.sub_path.is_empty() {
            paths::validate_descending(&mount.sub_path, &path.child("subPath"), errors);
        }
        if !mount.sub_path_expr.is_empty() {
            if !mount.sub_path.is_empty() {
                errors.invalid(
                    &at.child("subPathExpr"),
                    &mount.sub_path_expr,
                    "subPathExpr and subPath are mutually exclusive",
                );
            }
            paths::validate_descending(&mount.sub_path_expr, &path.child("subPathExpr"), errors);
        }
        if let Some(propagation) = &mount.mount_propagation {
            let path = path.child("mountPropagation");
            if !matches!(propagation.as_str(), "Bidirectional" | "HostToContainer" | "None") {
                errors.not_supported(&path, propagation, &["Bidirectional", "HostToContainer", "None"]);
            }
            let privileged =
                container.security_context.as_ref().is_some_and(|context| context.privileged == Some(true));
            if propagation == "Bidirectional" && !privileged {
                errors.forbidden(
                    &path,
                    "Bidirectional mount propagation is available only to privileged containers",
                );
            }
        }
        match mount.recursive_read_only.as_deref() {
            None | Some("Disabled") => {}
            Some("Enabled" | "IfPossible") => {
                let path = path.child("recursiveReadOnly");
                if !mount.read_only {
                    errors.forbidden(&path, "may only be specified when readOnly is true");
                }
                if mount.mount_propagation.as_deref().is_some_and(|propagation| propagation != "None") {
                    errors.forbidden(
                        &path,
                        "may only be specified when mountPropagation is None or not specified",
                    );
                }
            }
            Some(other) => errors.not_supported(
                &path.child("recursiveReadOnly"),
                other,
                &["Disabled", "Enabled", "IfPossible"],
            ),
        }
    }
}

/// Block devices of a container.
pub fn validate_devices(container: &Container, volumes: &Volumes<'_>, path: &Path, errors: &mut ErrorList) {
    let (mut seen_names, mut seen_paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in container.volume_devices.iter().enumerate() {
        let at = path.index(index);
        let (name, target) = (&device.name, &device.device_path);
        if name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if seen_names.contains(name) {
            errors.invalid(&at.child("name"), name, "must be unique");
        }
        match volumes.get(name.as_str()) {
            None => errors.push(Error::not_found(&at.child("name"), name)),
            Some(source) if source.persistent_volume_claim.is_none() && source.ephemeral.is_none() => {
                errors.invalid(
                    &at.child("name"),
                    name,
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                );
            }
            Some(_) => {}
        }
        if target.is_empty() {
            errors.required(&at.child("devicePath"), "");
        }
        if seen_paths.contains(target) {
            errors.invalid(&at.child("devicePath"), target, "must be unique");
        }
        if target.split('/').any(|part| part == "..") {
            errors.invalid(&at.child("devicePath"), target, "can not contain backsteps ('..')");
        } else {
            seen_paths.insert(target);
        }
        if container.volume_mounts.iter().any(|mount| mount.name == *name) {
            errors.invalid(&at.child("name"), name, "must not already exist in volumeMounts");
        }
        if container.volume_mounts.iter().any(|mount| mount.mount_path == *target) {
            errors.invalid(
                &at.child("devicePath"),
                target,
                "must not already exist as a path in volumeMounts",
            );
        }
        if !name.is_empty() {
            seen_names.insert(name);
        }
    }
}
