//! The `kubelet` program.

fn main() {}
