//! Rules of bindings.

pub mod defaults;
