//! Controllers that keep pods running.

pub(crate) mod daemonset;
pub(crate) mod replicaset;
