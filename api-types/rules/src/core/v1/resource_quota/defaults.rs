//! Defaults of resource quotas.

use crate::core::v1::resource_list::round_up_to_milli;
use api_types::core::v1::ResourceQuota;

/// Defaults of a resource quota.
pub fn set(quota: &mut ResourceQuota) {
    for list in [&mut quota.spec.hard, &mut quota.status.hard, &mut quota.status.used] {
        round_up_to_milli(list);
    }
}
