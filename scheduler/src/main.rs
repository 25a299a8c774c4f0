//! The `kube-scheduler` program.

fn main() {}
