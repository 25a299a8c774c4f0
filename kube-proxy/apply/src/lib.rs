//! Brings kube-proxy's decisions into the kernel: rules by nft, elements of maps by netlink, connections to
//! forget by conntrack.

mod chains;
mod conntrack;
mod elements;
mod netlink;
mod table;

pub use table::{ApplyError, Table, remove_tables};
