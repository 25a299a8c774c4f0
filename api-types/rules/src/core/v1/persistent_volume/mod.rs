//! Rules of persistent volumes.

pub mod defaults;
