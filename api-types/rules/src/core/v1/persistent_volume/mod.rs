//! Rules of persistent volumes.

pub mod defaults;
pub mod sources;
pub mod validation;
