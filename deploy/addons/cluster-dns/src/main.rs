//! The `cluster-dns` program.

fn main() {}
