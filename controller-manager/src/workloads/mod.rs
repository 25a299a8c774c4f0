//! Controllers that keep pods running.

pub(crate) mod cronjob;
pub(crate) mod daemonset;
pub(crate) mod deployment;
pub(crate) mod job;
pub(crate) mod replicaset;
pub(crate) mod statefulset;
