//! Rules of flow schemas.

pub mod defaults;
pub mod validation;
