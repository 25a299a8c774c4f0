//! Rules of resource quotas.

pub mod defaults;
pub mod evaluator;
pub mod usage;
pub mod validation;
