//! Rules of resource quotas.

pub mod defaults;
pub mod validation;
