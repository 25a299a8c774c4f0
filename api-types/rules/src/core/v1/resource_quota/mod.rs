//! Rules of resource quotas.

pub mod defaults;
pub mod usage;
pub mod validation;
