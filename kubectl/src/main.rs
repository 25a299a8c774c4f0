//! The `kubectl` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    kubectl::app::main(std::env::args_os())
}
