//! Rules of pods.

pub mod containers;
pub mod defaults;
pub mod environment;
pub mod fields;
pub mod handlers;
pub mod meaning;
pub mod options;
pub mod paths;
pub mod projections;
pub mod qos;
pub mod requirements;
pub mod resize;
pub mod resources;
pub mod scheduling_validation;
pub mod security;
pub mod state;
pub mod status_update;
pub mod update;
pub mod validation;
pub mod volumes;
pub mod warnings;
