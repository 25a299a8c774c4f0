//! The `kubelet` program.

use std::process::ExitCode;

component_base::global_allocator!();

fn main() -> ExitCode {
    component_base::run("kubelet", kubelet::run)
}
