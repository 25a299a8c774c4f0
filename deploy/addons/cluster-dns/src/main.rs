//! The `cluster-dns` program.

component_base::global_allocator!();

fn main() -> std::process::ExitCode {
    component_base::run("cluster-dns", cluster_dns::run)
}
