//! Rules of persistent volume claims.

pub mod defaults;
pub mod validation;
