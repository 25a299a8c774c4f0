//! The host kubeadm works on: its files, its init system, its container runtime, its mounts and network.

pub mod files;
