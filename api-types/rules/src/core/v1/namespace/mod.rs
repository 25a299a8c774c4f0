//! Rules of namespaces.

pub mod defaults;
pub mod validation;
