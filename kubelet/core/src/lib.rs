//! The kubelet's decisions, without any doing: from a pod's spec, what was observed, and the time, to what to do next.
//!
//! Pure: no runtime, no files, no environment, no clock. The `kubelet` crate gathers the inputs and carries the
//! decisions out through the traits in [`ports`].

pub mod ports;
