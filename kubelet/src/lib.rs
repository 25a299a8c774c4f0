//! The `kubelet`: runs the pods of one node.
//!
//! [`run`] is the whole program; `main.rs` only starts it. The decisions are in `kubelet-core`, the outside world is
//! behind the ports that `kubelet-adapters` implements.

pub mod config;
pub mod context;
mod credentials;
pub mod events;
pub mod objects;
pub mod observing;
pub mod options;
pub mod pods;
pub mod probing;
pub mod sources;
pub mod statuses;
pub mod view;
mod volumes;
