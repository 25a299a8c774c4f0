//! Rules of endpoints.

pub mod defaults;
