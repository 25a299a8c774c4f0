//! Controllers that keep pods running.

pub(crate) mod replicaset;
