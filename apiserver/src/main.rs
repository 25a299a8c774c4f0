//! The `kube-apiserver` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("kube-apiserver", apiserver::run)
}
