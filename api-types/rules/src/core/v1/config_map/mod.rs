//! Rules of config maps.

pub mod defaults;
pub mod validation;
