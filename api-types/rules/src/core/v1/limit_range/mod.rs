//! Rules of limit ranges.

pub mod defaults;
pub mod validation;
