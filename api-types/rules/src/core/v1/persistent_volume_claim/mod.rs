//! Rules of persistent volume claims.

pub mod defaults;
pub mod fields;
pub mod validation;
