//! Rules of services.

pub mod defaults;
pub mod meaning;
pub mod validation;
