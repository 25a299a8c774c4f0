//! Controllers that keep account of what policies allow.

pub(crate) mod disruption;
pub(crate) mod resourcequota;
