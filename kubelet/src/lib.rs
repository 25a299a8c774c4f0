//! The `kubelet`: runs the pods of one node.
//!
//! [`run`] is the whole program; `main.rs` only starts it. The decisions are in `kubelet-core`, the outside world is
//! behind the ports that `kubelet-adapters` implements.

pub mod app;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod context;
mod credentials;
pub mod events;
pub mod housekeeping;
mod measuring;
pub mod metrics;
mod mirrors;
pub mod node;
pub mod objects;
mod observer;
pub mod observing;
pub mod options;
pub mod pods;
pub mod probing;
mod rate;
pub mod server;
pub mod sources;
pub mod statuses;
pub mod view;
mod volumes;

pub use app::run;
