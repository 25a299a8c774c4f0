//! Fields of claims that follow from each other.

use super::validation::CLASS_ANNOTATION;
use crate::core::v1::pod::warnings::fractional_storage;
use api_types::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference,
};
use machinery::field::Path;

/// Drops a source in another namespace, which is a feature that is off.
pub fn drop_disabled(spec: &mut PersistentVolumeClaimSpec, old: Option<&PersistentVolumeClaimSpec>) {
    let elsewhere = |source: &TypedObjectReference| {
        source.namespace.as_deref().is_some_and(|namespace| !namespace.is_empty())
    };
    let kept = old.is_some_and(|old| old.data_source_ref.is_some());
    if spec.data_source_ref.as_deref().is_some_and(elsewhere) && !kept {
        spec.data_source_ref = None;
    }
}

fn is_known_source(source: &TypedLocalObjectReference) -> bool {
    let group = source.api_group.as_deref().unwrap_or_default();
    matches!(
        (source.kind.as_str(), group),
        ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
    )
}

/// Drops what old servers ignored in `dataSource`, then copies between it and `dataSourceRef`.
pub fn settle_sources(spec: &mut PersistentVolumeClaimSpec, old: Option<&PersistentVolumeClaimSpec>) {
    let had = old.is_some_and(|old| old.data_source.is_some() || old.data_source_ref.is_some());
    if !had && spec.data_source_ref.is_none() && !spec.data_source.as_deref().is_some_and(is_known_source) {
        spec.data_source = None;
    }
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(source), None) => {
            spec.data_source_ref = Some(Box::new(TypedObjectReference {
                api_group: source.api_group.clone(),
                kind: source.kind.clone(),
                name: source.name.clone(),
                ..TypedObjectReference::default()
            }));
        }
        (None, Some(source)) if source.namespace.as_deref().unwrap_or_default().is_empty() => {
            spec.data_source = Some(Box::new(TypedLocalObjectReference {
                api_group: source.api_group.clone(),
                kind: source.kind.clone(),
                name: source.name.clone(),
            }));
        }
        _ => {}
    }
}

/// What a client should know about a claim that is accepted.
pub fn warnings(claim: &PersistentVolumeClaim) -> Vec<String> {
    let mut warnings = Vec::new();
    if claim.metadata.annotations.contains_key(CLASS_ANNOTATION) {
        let path = Path::of(&["metadata", "annotations"]).key(CLASS_ANNOTATION);
        warnings.push(format!("{path}: deprecated since v1.8; use \"storageClassName\" attribute instead"));
    }
    let resources = &claim.spec.resources;
    fractional_storage(
        &Path::of(&["spec", "resources"]),
        &resources.requests,
        &resources.limits,
        &mut warnings,
    );
    warnings
}
