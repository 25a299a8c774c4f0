//! Rules of endpoints.

pub mod defaults;
pub mod validation;
