//! Rules of roles.

pub mod meaning;
pub mod validation;
