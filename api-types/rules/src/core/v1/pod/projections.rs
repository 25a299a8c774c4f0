//! Validation of projected volumes and of references to fields of the pod.

use super::{options::PodRules, paths, volumes};
use crate::report::Report;
use api_types::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, ResourceFieldSelector, VolumeProjection,
};
use machinery::{
    field::{ErrorList, Path},
    meta::v1::ObjectMeta,
    names,
};
use std::collections::BTreeSet;

/// Fields that a volume can show.
const VOLUME_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Fields that an environment variable can show.
pub const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Resources that volumes and environment variables can show.
const RESOURCE_FIELDS: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// Fields that exist on pods, with or without a subscript.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

/// `metadata.labels['a']` as path and subscript.
pub fn split_subscript(field: &str) -> Option<(&str, &str)> {
    let (path, rest) = field.split_once("['")?;
    let subscript = rest.strip_suffix("']")?;
    (!path.is_empty()).then_some((path, subscript))
}

/// A reference to a field of the pod.
pub fn validate_field_selector(
    selector: &ObjectFieldSelector,
    accepted: &[&str],
    path: &Path,
    errors: &mut ErrorList,
) {
    if selector.api_version.is_empty() {
        errors.required(&path.child("apiVersion"), "");
        return;
    }
    let field = selector.field_path.as_str();
    if field.is_empty() {
        errors.required(&path.child("fieldPath"), "");
        return;
    }
    let subscripted = split_subscript(field);
    let base = subscripted.map_or(field, |(base, _)| base);
    if selector.api_version != "v1" {
        let message =
            format!("error converting fieldPath: unsupported pod version: {}", selector.api_version);
        errors.invalid(&path.child("fieldPath"), field, message);
    } else if subscripted.is_some() && !matches!(base, "metadata.annotations" | "metadata.labels") {
        errors.invalid(
            &path.child("fieldPath"),
            field,
            format!("error converting fieldPath: field label does not support subscript: {field}"),
        );
    } else if !KNOWN_FIELDS.contains(&base) && base != "spec.host" {
        errors.invalid(
            &path.child("fieldPath"),
            field,
            format!("error converting fieldPath: field label not supported: {field}"),
        );
    } else if let Some((base, subscript)) = subscripted {
        let key =
            if base == "metadata.annotations" { subscript.to_lowercase() } else { subscript.to_owned() };
        errors.invalid_each(path, key.as_str(), names::is_qualified_name(&key));
    } else {
        let base = if base == "spec.host" { "spec.nodeName" } else { base };
        if !accepted.contains(&base) {
            errors.not_supported(&path.child("fieldPath"), base, accepted);
        }
    }
}

/// A reference to requests or limits of a container; volumes must name the container.
pub fn validate_resource_selector(
    selector: &ResourceFieldSelector,
    in_volume: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let resource = selector.resource.as_str();
    let huge_pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && selector.container_name.is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !RESOURCE_FIELDS.contains(&resource) && !huge_pages {
        errors.not_supported(&path.child("resource"), resource, RESOURCE_FIELDS);
    }
    if selector.divisor.is_zero() {
        return;
    }
    let divisor = selector.divisor.to_string();
    let sizes = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let sizes_text = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the";
    let (good, message) = match resource {
        "limits.cpu" | "requests.cpu" => (
            matches!(divisor.as_str(), "1" | "1m"),
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned(),
        ),
        "limits.memory" | "requests.memory" => {
            (sizes.contains(&divisor.as_str()), format!("{sizes_text} memory resource"))
        }
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => {
            (sizes.contains(&divisor.as_str()), format!("{sizes_text} local ephemeral storage resource"))
        }
        _ if huge_pages => (sizes.contains(&divisor.as_str()), format!("{sizes_text} hugepages resource")),
        _ => return,
    };
    if !good {
        errors.invalid(&path.child("divisor"), resource, message);
    }
}

/// A file that shows a field of the pod.
pub fn validate_downward_file(file: &DownwardAPIVolumeFile, path: &Path, errors: &mut ErrorList) {
    if file.path.is_empty() {
        errors.required(&path.child("path"), "");
    }
    paths::validate_unreserved(&file.path, &path.child("path"), errors);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), resource) => {
            validate_field_selector(field, VOLUME_FIELDS, &path.child("fieldRef"), errors);
            if resource.is_some() {
                errors.invalid(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                );
            }
        }
        (None, Some(resource)) => {
            validate_resource_selector(resource, true, &path.child("resourceFieldRef"), errors)
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    paths::validate_mode(file.mode, &path.child("mode"), errors);
}

/// Sources of a projected volume; no two may write the same file.
pub fn validate_sources(sources: &[VolumeProjection], path: &Path, rules: &PodRules, errors: &mut ErrorList) {
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for (index, source) in sources.iter().enumerate() {
        let source_path = path.child("sources").index(index);
        let mut kinds = 0;
        if let Some(secret) = &source.secret {
            kinds += 1;
            validate_keyed(
                &secret.local_object_reference.name,
                &secret.items,
                &source_path.child("secret"),
                path,
                &mut taken,
                errors,
            );
        }
        if let Some(map) = &source.config_map {
            kinds += 1;
            validate_keyed(
                &map.local_object_reference.name,
                &map.items,
                &source_path.child("configMap"),
                path,
                &mut taken,
                errors,
            );
        }
        if let Some(downward) = &source.downward_api {
            kinds += 1;
            for file in &downward.items {
                validate_downward_file(file, &source_path.child("downwardAPI"), errors);
                if !file.path.is_empty() && !taken.insert(&file.path) {
                    errors.invalid(path, &file.path, "conflicting duplicate paths");
                }
            }
        }
        if let Some(token) = &source.service_account_token {
            kinds += 1;
            let seconds = token.expiration_seconds.unwrap_or(0);
            let expiration = source_path.child("serviceAccountToken").child("expirationSeconds");
            if seconds < 600 {
                errors.invalid(&expiration, seconds, "may not specify a duration less than 10 minutes");
            }
            if seconds > 1 << 32 {
                errors.invalid(&expiration, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            if token.path.is_empty() {
                errors.required(&path.child("path"), "");
            } else if !rules.non_local_token_path {
                paths::validate_unreserved(&token.path, &path.child("path"), errors);
            }
        }
        if source.cluster_trust_bundle.is_some() {
            kinds += 1;
        }
        if source.pod_certificate.is_some() {
            kinds += 1;
        }
        if kinds > 1 {
            errors.forbidden(&source_path, "may not specify more than 1 volume type per source");
        }
    }
}

fn validate_keyed<'a>(
    name: &'a str,
    items: &'a [KeyToPath],
    path: &Path,
    volume: &Path,
    taken: &mut BTreeSet<&'a str>,
    errors: &mut ErrorList,
) {
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    for (index, item) in items.iter().enumerate() {
        volumes::validate_item(item, &path.child("items").index(index), errors);
        if !item.path.is_empty() && !taken.insert(&item.path) {
            errors.invalid(volume, name, "conflicting duplicate paths");
        }
    }
}

/// Metadata of a claim template: labels and annotations only.
pub fn validate_template_meta(given: &ObjectMeta, path: &Path, errors: &mut ErrorList) {
    let message = "cannot be set";
    let set: [(&'static str, bool); 9] = [
        ("name", !given.name.is_empty()),
        ("generateName", !given.generate_name.is_empty()),
        ("namespace", !given.namespace.is_empty()),
        ("selfLink", !given.self_link.is_empty()),
        ("uid", !given.uid.is_empty()),
        ("resourceVersion", !given.resource_version.is_empty()),
        ("ownerReferences", !given.owner_references.is_empty()),
        ("finalizers", !given.finalizers.is_empty()),
        ("managedFields", !given.managed_fields.is_empty()),
    ];
    for (field, is_set) in set {
        if is_set {
            errors.forbidden(&path.child(field), message);
        }
    }
}
