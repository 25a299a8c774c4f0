//! Rules of namespaces.

pub mod defaults;
