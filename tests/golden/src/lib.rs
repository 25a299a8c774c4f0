//! Golden objects: every kind with every field set, in JSON and in protobuf.
//!
//! The objects lie outside of the repository (see [`directory`]); without them the tests say so and pass.

use std::path::PathBuf;

/// Where upstream's golden objects lie: `KUBERNETES_API_FACTS`, or `../shared/api/v1.36` beside the workspace.
pub fn directory() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/api/v1.36");
    let facts = std::env::var_os("KUBERNETES_API_FACTS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    Some(facts.join("golden")).filter(|dir| dir.is_dir())
}
