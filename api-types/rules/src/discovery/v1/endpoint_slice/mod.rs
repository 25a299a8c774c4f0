//! Rules of endpoint slices.

pub mod defaults;
pub mod validation;
