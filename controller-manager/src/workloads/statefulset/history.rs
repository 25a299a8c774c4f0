//! The revision that pods are of, and the one they shall become.

use api_types::apps::v1::{ControllerRevision, StatefulSet};
use api_types::core::v1::{Pod, PodTemplateSpec};
use machinery::Message;
use runtime::Action;

use super::gather::Inputs;
use super::identity::revision_of;
use crate::revisions;

/// A template by the name of the object that keeps it.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub name: String,
    pub template: PodTemplateSpec,
}

/// Both revisions, and what is to be written so that they are kept.
pub(super) struct History {
    pub current: Revision,
    pub update: Revision,
    pub collisions: i32,
    pub actions: Vec<Action>,
}

/// Finds or makes the revision of the set's template; the error says which revision cannot be read.
pub(super) fn history(inputs: &Inputs, pods: &[std::sync::Arc<Pod>]) -> Result<History, String> {
    let set = inputs.set.as_ref();
    let template = set.spec.template.clone();
    let next = revisions::next_number(&inputs.revisions);
    let mut collisions = set.status.collision_count;
    let (name, mut actions) = match revisions::equal(&inputs.revisions, &revisions::revision_data(&template))
    {
        None => {
            let made = |collisions| revisions::new(set, &template, collisions, next);
            let taken = |new: &ControllerRevision| {
                inputs.revisions.iter().any(|known| known.metadata.name == new.metadata.name)
            };
            let mut new = made(collisions);
            while taken(&new) {
                collisions = Some(collisions.unwrap_or(0) + 1);
                new = made(collisions);
            }
            (new.metadata.name.clone(), vec![Action::create(new).existing_is_done()])
        }
        // A template of before is wanted again: its revision becomes the newest.
        Some(old) if old.revision + 1 < next => {
            let newest = ControllerRevision { revision: next, ..old.as_ref().clone() };
            (old.metadata.name.clone(), vec![Action::replace(newest)])
        }
        Some(newest) => (newest.metadata.name.clone(), Vec::new()),
    };
    let update = Revision { name, template };
    let mut known = inputs.revisions.iter();
    let current = match known.find(|known| known.metadata.name == set.status.current_revision) {
        Some(known) if known.metadata.name != update.name => kept(known)?,
        _ => update.clone(),
    };
    actions.extend(surplus(inputs, set, pods, [&current.name, &update.name]));
    Ok(History { current, update, collisions: collisions.unwrap_or(0), actions })
}

fn kept(revision: &ControllerRevision) -> Result<Revision, String> {
    let name = &revision.metadata.name;
    let mut data = revision.data.to_value().map_err(|error| format!("revision {name}: {error}"))?;
    let template = data.pointer_mut("/spec/template").map(serde_json::Value::take);
    let mut template = template.ok_or_else(|| format!("revision {name}: spec.template: Required value"))?;
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    let template =
        PodTemplateSpec::from_value(&template).map_err(|error| format!("revision {name}: {error}"))?;
    Ok(Revision { name: name.clone(), template })
}

/// The oldest of those that nothing uses, beyond the limit.
fn surplus(
    inputs: &Inputs,
    set: &StatefulSet,
    pods: &[std::sync::Arc<Pod>],
    live: [&String; 2],
) -> Vec<Action> {
    let limit = usize::try_from(set.spec.revision_history_limit.unwrap_or(10)).unwrap_or(usize::MAX);
    let in_use = |name: &String| live.contains(&name) || pods.iter().any(|pod| revision_of(pod) == name);
    let unused: Vec<_> =
        inputs.revisions.iter().filter(|revision| !in_use(&revision.metadata.name)).collect();
    let count = unused.len().saturating_sub(limit);
    unused.into_iter().take(count).map(|revision| Action::delete(revision.as_ref())).collect()
}
