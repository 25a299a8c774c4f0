//! Defaults of priority levels.

use api_types::flowcontrol::v1::PriorityLevelConfiguration;

/// Defaults of a priority level.
pub fn set(level: &mut PriorityLevelConfiguration) {
    if let Some(exempt) = &mut level.spec.exempt {
        exempt.nominal_concurrency_shares.get_or_insert(0);
        exempt.lendable_percent.get_or_insert(0);
    }
    if let Some(limited) = &mut level.spec.limited {
        limited.nominal_concurrency_shares.get_or_insert(30);
        limited.lendable_percent.get_or_insert(0);
        if let Some(queuing) = &mut limited.limit_response.queuing {
            for (field, default) in [
                (&mut queuing.hand_size, 8),
                (&mut queuing.queues, 64),
                (&mut queuing.queue_length_limit, 50),
            ] {
                if *field == 0 {
                    *field = default;
                }
            }
        }
    }
}
