//! The `kube-controller-manager` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("kube-controller-manager", controller_manager::run)
}
