//! The `bench` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("bench", bench::run)
}
