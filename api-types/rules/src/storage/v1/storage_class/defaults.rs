//! Defaults of storage classes.

use api_types::storage::v1::StorageClass;

/// Defaults of a storage class.
pub fn set(class: &mut StorageClass) {
    class.reclaim_policy.get_or_insert_with(|| "Delete".to_owned());
    class.volume_binding_mode.get_or_insert_with(|| "Immediate".to_owned());
}
