//! Rules of nodes.

pub mod defaults;
