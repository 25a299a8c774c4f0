//! kube-scheduler: gives pods their nodes.
//!
//! One task owns the picture of the cluster and the queue, and decides (`scheduler-core`); caches of the API feed
//! it, and what it decided is carried out by tasks of their own.

mod app;
mod config;
mod feed;
mod options;
mod owner;
mod writes;

pub use app::run;
pub use options::Options;
