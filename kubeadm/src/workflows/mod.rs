//! kubeadm's commands: chains of phases, and the small ones around them.

pub mod certificates;
pub mod configs;
pub mod flags;
pub mod init;
pub mod init_data;
pub mod join;
pub mod join_data;
pub mod phase;
pub mod reset;
pub mod token;
