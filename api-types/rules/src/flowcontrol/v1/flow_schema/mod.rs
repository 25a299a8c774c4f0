//! Rules of flow schemas.

pub mod defaults;
