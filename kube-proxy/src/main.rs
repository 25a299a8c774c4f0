//! The `kube-proxy` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("kube-proxy", kube_proxy::run)
}
