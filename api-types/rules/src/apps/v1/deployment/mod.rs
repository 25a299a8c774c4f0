//! Rules of deployments.

pub mod defaults;
pub mod validation;
