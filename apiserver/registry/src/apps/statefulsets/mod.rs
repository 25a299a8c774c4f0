//! Stateful sets.

pub mod columns;

use crate::{Column, Context, Entry, Row, Scaling, Strategy, View, scaling, strategy::ResetFields};
use api_types::apps::v1::StatefulSet;
use machinery::field::ErrorList;
use machinery::field::Path;
use rules::apps::v1::stateful_set::{defaults, validation};
use rules::core::v1::pod;

/// The row.
pub fn entry() -> Entry {
    Entry::new(&StatefulSets).view("status", &Status).scale(&SCALE)
}

static SCALE: Scaling = Scaling {
    read: scaling::read_stateful_set,
    write: scaling::write_stateful_set,
    replicas_path: &["spec", "replicas"],
};

/// A rollout that takes several pods at once is a feature that is off.
fn drop_disabled(new: &mut StatefulSet, old: Option<&StatefulSet>) {
    let kept = old
        .and_then(|old| old.spec.update_strategy.rolling_update.as_ref())
        .is_some_and(|rolling| rolling.max_unavailable.is_some());
    if let Some(rolling) = &mut new.spec.update_strategy.rolling_update
        && !kept
    {
        rolling.max_unavailable = None;
    }
    pod::fields::drop_disabled(&mut new.spec.template.spec, old.map(|old| &old.spec.template.spec));
}

fn spec_warnings(stateful_set: &StatefulSet) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, claim) in stateful_set.spec.volume_claim_templates.iter().enumerate() {
        let path = Path::of(&["spec", "volumeClaimTemplates"]).index(index).child("spec").child("resources");
        pod::warnings::fractional_storage(
            &path,
            &claim.spec.resources.requests,
            &claim.spec.resources.limits,
            &mut warnings,
        );
    }
    if stateful_set.spec.revision_history_limit.is_some_and(|limit| limit < 0) {
        warnings.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
    }
    warnings
}

/// Strategy of the resource itself.
pub struct StatefulSets;

impl Strategy for StatefulSets {
    type Kind = StatefulSet;

    fn default(&self, object: &mut StatefulSet) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut StatefulSet) {
        object.metadata.generation = 1;
        object.status = Default::default();
        drop_disabled(object, None);
    }

    fn validate(&self, _context: &Context, object: &StatefulSet) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &StatefulSet) -> Vec<String> {
        let mut warnings =
            pod::warnings::of_template(&Path::of(&["spec", "template"]), &object.spec.template);
        warnings.extend(spec_warnings(object));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut StatefulSet, old: &StatefulSet) {
        new.status = old.status.clone();
        drop_disabled(new, Some(old));
        if new.spec != old.spec {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &StatefulSet, old: &StatefulSet) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &StatefulSet, old: &StatefulSet) -> Vec<String> {
        let mut warnings = Vec::new();
        if new.metadata.generation != old.metadata.generation {
            warnings = pod::warnings::of_template(&Path::of(&["spec", "template"]), &new.spec.template);
        }
        warnings.extend(spec_warnings(new));
        warnings
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &StatefulSet, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = StatefulSet;

    fn prepare_for_update(&self, _context: &Context, new: &mut StatefulSet, old: &StatefulSet) {
        new.spec = old.spec.clone();
    }

    fn validate_update(&self, _context: &Context, new: &StatefulSet, old: &StatefulSet) -> ErrorList {
        validation::validate_status_update(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"]]
    }
}
