//! Rules of replication controllers.

pub mod defaults;
pub mod validation;
