//! Endpoint slices.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::discovery::v1::EndpointSlice;
use machinery::field::ErrorList;
use rules::discovery::v1::endpoint_slice::{defaults, validation};

/// The row.
pub fn entry() -> Entry {
    Entry::new(&EndpointSlices)
}

/// In this version zone and node name are fields of their own; topology keys of that name are not theirs to repeat.
fn align_topology(slice: &mut EndpointSlice) {
    for endpoint in &mut slice.endpoints {
        endpoint.deprecated_topology.remove("topology.kubernetes.io/zone");
        endpoint.deprecated_topology.remove("kubernetes.io/hostname");
    }
}

/// Strategy of the resource.
pub struct EndpointSlices;

impl Strategy for EndpointSlices {
    type Kind = EndpointSlice;

    fn default(&self, object: &mut EndpointSlice) {
        defaults::set(object);
    }

    fn prepare_for_create(&self, _context: &Context, object: &mut EndpointSlice) {
        object.metadata.generation = 1;
        align_topology(object);
    }

    fn validate(&self, _context: &Context, object: &EndpointSlice) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &EndpointSlice) -> Vec<String> {
        let mut warnings = Vec::new();
        if object.address_type == "FQDN" {
            warnings.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        warnings.extend(crate::warnings::for_slice_addresses(object));
        warnings
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut EndpointSlice, old: &EndpointSlice) {
        align_topology(new);
        if (&new.address_type, &new.endpoints, &new.ports, &new.metadata.labels)
            != (&old.address_type, &old.endpoints, &old.ports, &old.metadata.labels)
        {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn validate_update(&self, _context: &Context, new: &EndpointSlice, old: &EndpointSlice) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &EndpointSlice,
        _old: &EndpointSlice,
    ) -> Vec<String> {
        crate::warnings::for_slice_addresses(new)
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &EndpointSlice, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
