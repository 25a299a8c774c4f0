//! The typed Kubernetes API: one module a group and version, one file a kind, and the table of all kinds.
//!
//! Everything below `generated` is made by `cargo xtask codegen` from `api-types/facts`.

pub mod facts;
mod generated;

pub use generated::*;
