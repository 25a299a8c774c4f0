//! Cluster IPs and node ports: what a service is given when it is written, and gives back when it goes.
//!
//! A cluster IP is taken by creating the `IPAddress` object of its name, a node port by setting its bit in the stored
//! range; both are atomic in the store, so several servers can allocate at once and nothing is lost at a restart.

pub mod addresses;
pub mod families;
mod hooks;
pub mod node_ports;
pub mod port_range;
pub mod repair;

#[cfg(test)]
mod tests;

pub use addresses::{AddressPool, Addresses};
pub use hooks::ServiceAllocation;
pub use port_range::{Ports, StoredPorts};
pub use repair::Repair;
