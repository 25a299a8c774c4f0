//! The `kube-apiserver` program.

fn main() {}
