//! Rules of bindings.

pub mod defaults;
pub mod validation;
