//! The cluster's DNS server: answers the names of Services and pods from the API, and asks others for the rest.
//!
//! Source: the Kubernetes DNS-based service discovery specification, version 1.1.0.

mod answer;
mod app;
mod corefile;
mod forward;
mod handler;
mod options;
mod question;
mod view;

pub use app::run;
pub use options::Options;
