//! The `kubectl` program.

fn main() {}
