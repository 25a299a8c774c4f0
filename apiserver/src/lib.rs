//! The `kube-apiserver`: everything between the wire and the store.

pub mod chain;
