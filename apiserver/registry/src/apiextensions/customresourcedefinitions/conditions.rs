//! Conditions of definitions, and which names a definition gets beside others of its group.

use std::collections::BTreeSet;

use api_types::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames,
};
use machinery::Time;

/// Held until the instances are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// The names clash with no others.
pub const NAMES_ACCEPTED: &str = "NamesAccepted";
/// The resource is served.
pub const ESTABLISHED: &str = "Established";
/// The definition is being deleted.
pub const TERMINATING: &str = "Terminating";

/// The condition of that type.
pub fn find<'d>(
    definition: &'d CustomResourceDefinition,
    type_: &str,
) -> Option<&'d CustomResourceDefinitionCondition> {
    definition.status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of that type is `True`.
pub fn is_true(definition: &CustomResourceDefinition, type_: &str) -> bool {
    find(definition, type_).is_some_and(|condition| condition.status == "True")
}

/// Sets a condition; its time moves when its status does.
pub fn set(
    definition: &mut CustomResourceDefinition,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: jiff::Timestamp,
) {
    let now = Time { seconds: now.as_second(), nanos: 0 };
    let conditions = &mut definition.status.conditions;
    let known = conditions.iter_mut().find(|condition| condition.type_ == type_);
    let mut fresh = CustomResourceDefinitionCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: now,
        ..Default::default()
    };
    match known {
        Some(known) => {
            if known.status == status {
                fresh.last_transition_time = known.last_transition_time;
            }
            *known = fresh;
        }
        None => conditions.push(fresh),
    }
}

/// Names that other definitions of the group hold.
#[derive(Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// The accepted names of all definitions of `group` but the one called `name`.
    pub fn of<'d>(all: impl Iterator<Item = &'d CustomResourceDefinition>, group: &str, name: &str) -> Taken {
        let mut taken = Taken::default();
        for other in all.filter(|other| other.spec.group == group && other.metadata.name != name) {
            let names = &other.status.accepted_names;
            taken.resources.extend([names.plural.clone(), names.singular.clone()]);
            taken.resources.extend(names.short_names.iter().cloned());
            taken.kinds.extend([names.kind.clone(), names.list_kind.clone()]);
        }
        taken
    }
}

/// Accepts the names that are free, and says so; established is what has all of them once.
pub fn accept_names(definition: &mut CustomResourceDefinition, taken: &Taken, now: jiff::Timestamp) {
    let wanted = definition.spec.names.clone();
    let accepted = &mut definition.status.accepted_names;
    let conflict = settle(&wanted, accepted, taken);
    accepted.categories.clone_from(&wanted.categories);
    match conflict {
        Some((reason, message)) => set(definition, NAMES_ACCEPTED, "False", reason, &message, now),
        None => set(definition, NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found", now),
    }
    if is_true(definition, ESTABLISHED) {
        return;
    }
    if is_true(definition, NAMES_ACCEPTED) {
        let message = "the initial names have been accepted";
        set(definition, ESTABLISHED, "True", "InitialNamesAccepted", message, now);
    } else {
        set(definition, ESTABLISHED, "False", "NotAccepted", "not all names are accepted", now);
    }
}

/// Takes over the wanted names that are free; the last conflict.
fn settle(
    wanted: &CustomResourceDefinitionNames,
    accepted: &mut CustomResourceDefinitionNames,
    taken: &Taken,
) -> Option<(&'static str, String)> {
    let mut conflict = None;
    let in_use = |name: &str| format!("{} is already in use", machinery::quote::go_quote(name));
    let mut one = |wanted: &String, accepted: &mut String, used: &BTreeSet<String>, reason: &'static str| {
        if wanted != accepted && used.contains(wanted) {
            conflict = Some((reason, in_use(wanted)));
        } else {
            accepted.clone_from(wanted);
        }
    };
    one(&wanted.plural, &mut accepted.plural, &taken.resources, "PluralConflict");
    one(&wanted.singular, &mut accepted.singular, &taken.resources, "SingularConflict");
    one(&wanted.kind, &mut accepted.kind, &taken.kinds, "KindConflict");
    one(&wanted.list_kind, &mut accepted.list_kind, &taken.kinds, "ListKindConflict");
    let clashing: Vec<String> = wanted
        .short_names
        .iter()
        .filter(|name| !accepted.short_names.contains(name) && taken.resources.contains(*name))
        .map(|name| in_use(name))
        .collect();
    if clashing.is_empty() {
        accepted.short_names.clone_from(&wanted.short_names);
    } else if conflict.is_none() {
        conflict = Some(("ShortNamesConflict", machinery::field::aggregate_texts(clashing)));
    }
    conflict
}
