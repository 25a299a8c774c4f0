//! Controllers that remove what is no longer wanted.

pub(crate) mod namespace;
