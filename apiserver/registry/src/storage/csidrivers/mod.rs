//! CSI drivers.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::storage::v1::CSIDriver;
use machinery::field::ErrorList;
use rules::storage::v1::csi_driver::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&CSIDrivers)
}

/// Strategy of the resource.
pub struct CSIDrivers;

impl Strategy for CSIDrivers {
    type Kind = CSIDriver;

    fn default(&self, object: &mut CSIDriver) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut CSIDriver) {
        object.spec.prevent_pod_scheduling_if_missing = None;
    }

    fn validate(&self, _context: &Context, object: &CSIDriver) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &CSIDriver) -> Vec<String> {
        validation::warnings(object, None)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut CSIDriver, old: &CSIDriver) {
        if old.spec.prevent_pod_scheduling_if_missing.is_none() {
            new.spec.prevent_pod_scheduling_if_missing = None;
        }
        // Everything but these three may not change, so only they count.
        let (now, before) = (&new.spec, &old.spec);
        if now.token_requests != before.token_requests
            || now.requires_republish != before.requires_republish
            || now.se_linux_mount != before.se_linux_mount
        {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &CSIDriver, old: &CSIDriver) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &CSIDriver, old: &CSIDriver) -> Vec<String> {
        validation::warnings(new, Some(old))
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &CSIDriver, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
