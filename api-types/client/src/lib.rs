//! How every component talks to the API server: requests, watches, kubeconfig, discovery, upgraded streams.
//!
//! Built-in kinds travel as protobuf through [`Api`]; anything else as JSON through [`DynamicApi`].
//! Servers are verified always; identities and authorities given as files are followed when they change.

mod api;
mod client;
pub mod config;
mod credentials;
pub mod discovery;
mod dynamic;
pub mod error;
mod exec_plugin;
pub mod fake;
pub mod kubeconfig;
pub mod list;
pub mod observer;
pub mod outage;
pub mod params;
mod paths;
mod rate_limit;
pub mod spdy;
mod tls;
mod transport;
pub mod upgrade;
pub mod warning;
pub mod watch;

pub use api::Api;
pub use client::{Client, JSON, PROTOBUF};
pub use config::Config;
pub use credentials::TokenProvider;
pub use dynamic::{DynamicApi, DynamicResource};
pub use error::Error;
pub use list::List;
pub use observer::RequestObserver;
pub use params::{DeleteParams, ListParams, Patch, PatchParams, WriteParams};
pub use transport::Connection;
pub use warning::WarningHandler;
pub use watch::WatchEvent;

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
