//! The `kubeadm` program.

fn main() {}
