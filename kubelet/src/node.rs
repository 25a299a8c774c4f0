//! This node: its addresses, its capacity, the state of its runtime, and what the API is told of it.

pub mod addresses;
pub mod classes;
pub mod kernel;
pub mod lease;
pub mod pod_range;
pub mod pressure;
pub mod registration;
pub mod reserved;
pub mod runtime;
pub mod status;
