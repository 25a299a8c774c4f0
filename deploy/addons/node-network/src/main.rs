//! The `node-network` program.

fn main() {}
