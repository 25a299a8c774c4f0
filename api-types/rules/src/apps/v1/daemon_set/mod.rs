//! Rules of daemon sets.

pub mod defaults;
pub mod validation;
