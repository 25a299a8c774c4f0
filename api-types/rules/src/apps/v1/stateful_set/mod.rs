//! Rules of stateful sets.

pub mod defaults;
