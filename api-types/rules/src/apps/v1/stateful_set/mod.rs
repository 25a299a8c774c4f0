//! Rules of stateful sets.

pub mod defaults;
pub mod validation;
