//! Controllers that remove what is no longer wanted.

pub(crate) mod garbage_collector;
pub(crate) mod namespace;
pub(crate) mod pod_gc;
pub(crate) mod ttl_after_finished;
