//! Defaults of limit ranges.

use crate::core::v1::resource_list::{ResourceList, round_up_to_milli};
use api_types::core::v1::LimitRange;

fn fill(list: &mut ResourceList, from: &ResourceList) {
    for (name, quantity) in from {
        list.entry(name.clone()).or_insert_with(|| quantity.clone());
    }
}

/// Defaults of a limit range: container defaults follow from the maximum, default requests from the defaults and the minimum.
pub fn set(range: &mut LimitRange) {
    for item in &mut range.spec.limits {
        if item.type_ == "Container" {
            fill(&mut item.default, &item.max);
            fill(&mut item.default_request, &item.default);
            fill(&mut item.default_request, &item.min);
        }
        for list in [
            &mut item.max,
            &mut item.min,
            &mut item.default,
            &mut item.default_request,
            &mut item.max_limit_request_ratio,
        ] {
            round_up_to_milli(list);
        }
    }
}
