//! kube-proxy's decisions, free of I/O: from Services and EndpointSlices to elements of shared nft maps, and the
//! smallest change that brings the kernel there.

pub mod changes;
pub mod conntrack;
pub mod model;
pub mod render;
pub mod select;
pub mod skeleton;
pub mod state;
