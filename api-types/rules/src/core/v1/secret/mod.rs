//! Rules of secrets.

pub mod defaults;
pub mod validation;
