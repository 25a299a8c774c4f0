//! Rules of nodes.

pub mod defaults;
pub mod validation;
