//! Rules of deployments.

pub mod defaults;
