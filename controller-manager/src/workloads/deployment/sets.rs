//! The ReplicaSets of a Deployment: the one with its template, those before it, and their annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use api_types::core::v1::PodTemplateSpec;
use machinery::meta::v1::{LabelSelector, ObjectMeta};

use crate::ownership::reference;
use crate::revisions::template_hash;

/// Label of sets and pods with the hash of their template.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
/// Number of a revision.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Numbers that a revision had before.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// How many pods the Deployment wanted when the set was last scaled.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// How many pods there may be in all.
const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that a set does not take over from its Deployment.
const OWN: [&str; 6] = [
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
];

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    template.metadata.labels.remove(TEMPLATE_HASH);
    template
}

/// The set with the Deployment's template; the oldest, should there be several.
pub(super) fn newest<'a>(
    deployment: &Deployment,
    sets: &'a [Arc<ReplicaSet>],
) -> Option<&'a Arc<ReplicaSet>> {
    let wanted = without_hash(&deployment.spec.template);
    sets.iter().find(|set| without_hash(&set.spec.template) == wanted)
}

/// The number of a set's revision.
pub(super) fn revision(set: &ReplicaSet) -> i64 {
    set.metadata.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The annotation that [`DESIRED`] names.
pub(super) fn desired(set: &ReplicaSet) -> Option<i32> {
    set.metadata.annotations.get(DESIRED)?.parse().ok()
}

/// A new set for the Deployment's template, with `replicas` pods.
pub(super) fn make(deployment: &Deployment, number: i64, replicas: i32, most: i32) -> ReplicaSet {
    let hash = template_hash(&deployment.spec.template, deployment.status.collision_count);
    let mut template = deployment.spec.template.clone();
    template.metadata.labels.insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut selector: LabelSelector = deployment.spec.selector.as_deref().cloned().unwrap_or_default();
    selector.match_labels.insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut set = ReplicaSet {
        metadata: ObjectMeta {
            name: format!("{}-{hash}", deployment.metadata.name),
            namespace: deployment.metadata.namespace.clone(),
            labels: template.metadata.labels.clone(),
            owner_references: vec![reference(deployment)],
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            replicas: Some(replicas),
            min_ready_seconds: deployment.spec.min_ready_seconds,
            selector: Some(Box::new(selector)),
            template,
        },
        ..ReplicaSet::default()
    };
    annotate(deployment, &mut set, number);
    mark_scale(&mut set, deployment.spec.replicas.unwrap_or(1), most);
    set
}

/// Takes over the Deployment's annotations and gives the set its number.
pub(super) fn annotate(deployment: &Deployment, set: &mut ReplicaSet, number: i64) {
    let from = deployment.metadata.annotations.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let copied: BTreeMap<String, String> = from.map(|(name, value)| (name.clone(), value.clone())).collect();
    let annotations = &mut set.metadata.annotations;
    annotations.extend(copied);
    let old = annotations.get(REVISION).cloned();
    if old.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0) < number {
        annotations.insert(REVISION.to_owned(), number.to_string());
        if let Some(old) = old {
            let history = annotations.entry(REVISION_HISTORY.to_owned()).or_default();
            if !history.is_empty() {
                history.push(',');
            }
            history.push_str(&old);
        }
    }
}

/// Remembers what the Deployment wanted when the set was scaled.
pub(super) fn mark_scale(set: &mut ReplicaSet, desired: i32, most: i32) {
    set.metadata.annotations.insert(DESIRED.to_owned(), desired.to_string());
    set.metadata.annotations.insert(MAX.to_owned(), most.to_string());
}
