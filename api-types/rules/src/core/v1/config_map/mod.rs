//! Rules of config maps.

pub mod defaults;
