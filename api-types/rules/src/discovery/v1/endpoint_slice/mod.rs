//! Rules of endpoint slices.

pub mod defaults;
