//! The program `kubeadm`.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    kubeadm::app::run(std::env::args_os())
}
