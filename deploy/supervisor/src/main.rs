//! The program `kube-supervisor`.

fn main() -> std::process::ExitCode {
    kube_supervisor::app::run()
}
