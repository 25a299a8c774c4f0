//! Rules of secrets.

pub mod defaults;
