//! The controllers that bring the cluster to the state its objects ask for.
//!
//! [`controllers`] is the table of them; each lives in `<subject>/<controller>` as gather (from caches),
//! plan (pure) and tests, driven by `runtime::controller`.

mod app;
mod clients;
mod context;
pub mod controllers;
mod lifecycle;
mod network;
mod nodes;
pub mod options;
mod ownership;
mod pods;
mod policy;
mod revisions;
mod security;
mod storage;
mod workloads;

pub use app::run;
pub use options::Options;
