//! The host kubeadm works on: its files, its init system, its container runtime, its mounts and network.

pub mod container_runtime;
pub mod files;
pub mod image_archive;
pub mod image_import;
pub mod init_system;
pub mod mounts;
pub mod network;
