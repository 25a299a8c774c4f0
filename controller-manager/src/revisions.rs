//! Revisions of a pod template: a name for each, and the ControllerRevisions that keep them
//! (`pkg/controller/history`).

use std::sync::Arc;

use api_types::apps::v1::ControllerRevision;
use api_types::core::v1::PodTemplateSpec;
use machinery::meta::v1::ObjectMeta;
use machinery::{Message, RawJson, Resource};
use serde_json::json;

use crate::ownership::reference;

/// Letters of encoded hashes: no vowels and nothing that looks like them, so that no words appear.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Label of pods and revisions with the revision's hash.
pub(crate) const REVISION_HASH: &str = "controller-revision-hash";

/// A short stable text for a template; `collisions` leads to another text when the first is taken.
///
/// Upstream hashes a dump of the Go struct, which cannot be reproduced; this hashes the encoding, which is as
/// stable. Nothing but the controller itself compares such hashes.
pub(crate) fn template_hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let mut bytes = template.encode_to_vec();
    bytes.extend(collisions.unwrap_or(0).to_le_bytes());
    let hash =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// What a revision keeps of a template, as upstream writes it: a patch that puts the template back.
pub(crate) fn revision_data(template: &PodTemplateSpec) -> RawJson {
    let mut template = template.to_value();
    template["$patch"] = json!("replace");
    RawJson::from(&json!({"spec": {"template": template}}))
}

/// The revision that keeps `data`, if there is one.
pub(crate) fn equal<'a>(
    revisions: &'a [Arc<ControllerRevision>],
    data: &RawJson,
) -> Option<&'a Arc<ControllerRevision>> {
    let wanted = data.to_value().ok();
    revisions.iter().find(|revision| revision.data.to_value().ok() == wanted)
}

/// The next number of a history.
pub(crate) fn next_number(revisions: &[Arc<ControllerRevision>]) -> i64 {
    revisions.iter().map(|revision| revision.revision).max().unwrap_or(0) + 1
}

/// A new revision of an owner.
pub(crate) fn new<O: Resource>(
    owner: &O,
    template: &PodTemplateSpec,
    collisions: Option<i32>,
    number: i64,
) -> ControllerRevision {
    let hash = template_hash(template, collisions);
    let mut labels = template.metadata.labels.clone();
    labels.insert(REVISION_HASH.to_owned(), hash.clone());
    ControllerRevision {
        metadata: ObjectMeta {
            name: format!("{}-{hash}", owner.metadata().name),
            namespace: owner.metadata().namespace.clone(),
            labels,
            annotations: owner.metadata().annotations.clone(),
            owner_references: vec![reference(owner)],
            ..ObjectMeta::default()
        },
        data: revision_data(template),
        revision: number,
    }
}

/// The hash by which pods name a revision.
pub(crate) fn hash_of(revision: &ControllerRevision) -> &str {
    revision.metadata.labels.get(REVISION_HASH).map(String::as_str).unwrap_or_default()
}

/// Revisions that are too many: the oldest, leaving `limit` besides those that pods or the owner still use.
pub(crate) fn surplus(
    revisions: &[Arc<ControllerRevision>],
    limit: i32,
    in_use: &dyn Fn(&str) -> bool,
) -> Vec<Arc<ControllerRevision>> {
    let mut unused: Vec<_> =
        revisions.iter().filter(|revision| !in_use(hash_of(revision))).cloned().collect();
    unused.sort_by_key(|revision| revision.revision);
    let keep = usize::try_from(limit).unwrap_or(0);
    let count = unused.len().saturating_sub(keep);
    unused.truncate(count);
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(image: &str) -> PodTemplateSpec {
        PodTemplateSpec::from_value(&json!({"spec": {"containers": [{"name": "c", "image": image}]}}))
            .unwrap()
    }

    #[test]
    fn hashes_tell_templates_apart() {
        let hash = |image, collisions| template_hash(&template(image), collisions);
        assert_eq!(hash("a", None), hash("a", Some(0)));
        assert_ne!(hash("a", None), hash("b", None));
        assert_ne!(hash("a", None), hash("a", Some(1)));
        assert!(
            hash("a", None).len() >= 5 && hash("a", None).bytes().all(|letter| ALPHABET.contains(&letter))
        );
    }

    #[test]
    fn old_revisions_are_surplus() {
        let revision = |number: i64| {
            let mut revision = ControllerRevision { revision: number, ..Default::default() };
            revision.metadata.labels.insert(REVISION_HASH.into(), format!("h{number}"));
            Arc::new(revision)
        };
        let revisions: Vec<_> = [3, 1, 2, 4].into_iter().map(revision).collect();
        let surplus = surplus(&revisions, 1, &|hash| hash == "h1" || hash == "h4");
        assert_eq!(surplus.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [2]);
    }
}
