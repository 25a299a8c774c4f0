//! kube-proxy: makes Services work on a node by nftables rules.
//!
//! Decisions are in `kube-proxy-core`, the kernel in `kube-proxy-apply`; here both are fed from the API.

mod app;
mod config;
mod health;
mod options;
mod proxier;
mod system;

pub use app::run;
pub use options::Options;
