//! The `kube-controller-manager` program.

fn main() {}
