//! Rules of replica sets.

pub mod defaults;
pub mod validation;
