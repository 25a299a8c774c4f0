//! The `kube-scheduler` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("kube-scheduler", scheduler::run)
}
