//! Rules of priority class.

pub mod defaults;
pub mod validation;
