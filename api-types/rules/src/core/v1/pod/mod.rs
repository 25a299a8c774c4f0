//! Rules of pods.

pub mod defaults;
pub mod meaning;
pub mod qos;
pub mod resources;
pub mod state;
