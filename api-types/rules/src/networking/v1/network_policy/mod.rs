//! Rules of network policy.

pub mod defaults;
