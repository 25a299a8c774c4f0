//! Compiles the interface descriptions in `definitions/` into clients, servers and messages.

use std::path::Path;

const DEFINITIONS: &str = "definitions";

/// Every package that becomes a module of this crate; imports are found from these.
const ROOTS: &[&str] = &[
    "cri/runtime.proto",
    "device_plugin.proto",
    "pod_resources.proto",
    "plugin_registration.proto",
    "kms.proto",
    "grpc_health.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={DEFINITIONS}");
    let descriptors =
        protox::compile(ROOTS.iter().map(|file| Path::new(DEFINITIONS).join(file)), [DEFINITIONS])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
