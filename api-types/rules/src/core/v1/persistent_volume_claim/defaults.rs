//! Defaults of persistent volume claims.

use crate::core::v1::resource_list::round_up_to_milli;
use api_types::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};

/// Defaults of a claim.
pub fn set(claim: &mut PersistentVolumeClaim) {
    if claim.status.phase.is_empty() {
        claim.status.phase = "Pending".to_owned();
    }
    set_spec(&mut claim.spec);
    round_up_to_milli(&mut claim.status.capacity);
    round_up_to_milli(&mut claim.status.allocated_resources);
}

/// Defaults of a claim spec wherever it stands.
pub fn set_spec(spec: &mut PersistentVolumeClaimSpec) {
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    round_up_to_milli(&mut spec.resources.limits);
    round_up_to_milli(&mut spec.resources.requests);
}
