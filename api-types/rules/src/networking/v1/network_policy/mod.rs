//! Rules of network policy.

pub mod defaults;
pub mod validation;
