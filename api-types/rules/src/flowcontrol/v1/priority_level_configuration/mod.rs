//! Rules of priority level configurations.

pub mod defaults;
pub mod validation;
