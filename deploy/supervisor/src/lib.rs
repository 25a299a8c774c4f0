//! Runs the services of a node from their systemd units on hosts where systemd is not the first process.
//!
//! ```text
//! units in a folder -> one task a service: start, watch, restart -> asked through a unix socket
//! ```
//!
//! It knows the few settings that the units of containerd and the kubelet use, and refuses others it would
//! have to obey. A service that ends is started again; one that was asked to stop stays down until it is
//! asked to start, also when the supervisor itself starts anew.

pub mod app;
pub mod control;
pub mod service;
pub mod unit;
