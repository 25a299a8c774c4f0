//! The pod network of one node: the CNI configuration for its pods, routes to the pods of other nodes, and the
//! masquerading of what leaves the cluster.

mod app;
mod apply;
mod options;
mod plan;

pub use app::run;
pub use options::Options;
