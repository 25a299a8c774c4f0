//! kubectl: commands for people and scripts over the Kubernetes API.
//!
//! ```text
//! command line -> commands::all() -> factory (kubeconfig, client, discovery) -> request -> print
//! ```

pub mod app;
pub mod apply;
pub mod builtin;
pub mod commands;
pub mod describe;
pub mod error;
pub mod factory;
pub mod files;
pub mod options;
pub mod print;
pub mod resources;
pub mod streams;
pub mod usage;
pub mod values;
pub mod warnings;

pub use error::{Error, Result};
pub use factory::Factory;
pub use streams::Streams;
