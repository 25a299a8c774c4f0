//! Controllers that remove what is no longer wanted.

pub(crate) mod garbage_collector;
pub(crate) mod namespace;
