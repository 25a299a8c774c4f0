//! Rules of replication controllers.

pub mod defaults;
