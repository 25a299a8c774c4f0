//! Where pods come from: manifests on this node, and the API.

pub mod api;
pub mod manifests;
