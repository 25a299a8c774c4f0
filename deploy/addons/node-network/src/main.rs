//! The `node-network` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("node-network", node_network::run)
}
