//! Names and ordinals of pods and claims.

use std::ops::Range;

use api_types::apps::v1::StatefulSet;
use api_types::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};

use super::history::Revision;
use crate::ownership::reference;
use crate::pods::from_template;
use crate::revisions::REVISION_HASH;

/// Label of pods with their name.
pub(super) const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// Label of pods with their ordinal.
pub(super) const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinals that the set shall have.
pub(super) fn ordinals(set: &StatefulSet) -> Range<i32> {
    let start = set.spec.ordinals.as_deref().map_or(0, |ordinals| ordinals.start);
    start..start.saturating_add(set.spec.replicas.unwrap_or(1).max(0))
}

/// The ordinal of a pod with a name of the set.
pub(super) fn ordinal_of(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let (parent, digits) = pod.metadata.name.rsplit_once('-')?;
    let number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if parent == set.metadata.name && number { digits.parse().ok() } else { None }
}

pub(super) fn pod_name(set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{ordinal}", set.metadata.name)
}

pub(super) fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", template.metadata.name, set.metadata.name)
}

/// The name of the revision that a pod is of.
pub(super) fn revision_of(pod: &Pod) -> &str {
    pod.metadata.labels.get(REVISION_HASH).map(String::as_str).unwrap_or_default()
}

/// Whether the pod carries the labels of its name.
pub(super) fn is_labelled(pod: &Pod) -> bool {
    pod.metadata.labels.get(POD_NAME) == Some(&pod.metadata.name)
}

/// The claims of a pod.
pub(super) fn claims_of(set: &StatefulSet, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    let labels = set.spec.selector.as_deref().map(|selector| selector.match_labels.clone());
    let claim = |template: &PersistentVolumeClaim| {
        let mut claim = template.clone();
        claim.metadata.name = claim_name(set, template, ordinal);
        claim.metadata.namespace.clone_from(&set.metadata.namespace);
        claim.metadata.labels.extend(labels.clone().unwrap_or_default());
        claim
    };
    set.spec.volume_claim_templates.iter().map(claim).collect()
}

/// A pod that is not yet: named, with its own volumes in the place of the template's of the same names.
pub(super) fn new_pod(set: &StatefulSet, revision: &Revision, ordinal: i32) -> Pod {
    let mut pod = from_template(&revision.template, set, reference(set));
    pod.metadata.name = pod_name(set, ordinal);
    pod.metadata.generate_name.clear();
    pod.metadata.labels.insert(POD_NAME.to_owned(), pod.metadata.name.clone());
    pod.metadata.labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
    pod.metadata.labels.insert(REVISION_HASH.to_owned(), revision.name.clone());
    pod.spec.hostname.clone_from(&pod.metadata.name);
    pod.spec.subdomain.clone_from(&set.spec.service_name);
    let templates = &set.spec.volume_claim_templates;
    let mut volumes: Vec<Volume> = templates
        .iter()
        .map(|template| {
            let source = PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(set, template, ordinal),
                ..PersistentVolumeClaimVolumeSource::default()
            };
            let mut volume = Volume { name: template.metadata.name.clone(), ..Volume::default() };
            volume.volume_source.persistent_volume_claim = Some(Box::new(source));
            volume
        })
        .collect();
    let own = |volume: &Volume| !templates.iter().any(|template| template.metadata.name == volume.name);
    volumes.extend(pod.spec.volumes.iter().filter(|volume| own(volume)).cloned());
    pod.spec.volumes = volumes;
    pod
}
