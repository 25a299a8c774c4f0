//! The `kube-apiserver`: everything between the wire and the store.

pub mod chain;
pub mod connect;
pub mod discovery;
pub mod endpoints;
pub mod options;
pub mod store;
pub mod system;
