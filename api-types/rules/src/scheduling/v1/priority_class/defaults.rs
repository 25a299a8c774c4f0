//! Defaults of priority classes.

use api_types::scheduling::v1::PriorityClass;

/// Defaults of a priority class.
pub fn set(class: &mut PriorityClass) {
    class.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
}
