//! Rules of workloads.

pub mod validation;
