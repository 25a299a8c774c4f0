//! The project's own chores, run as `cargo xtask <command>`.

mod codegen;
mod facts;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the compact facts of the API from upstream's descriptions in DIR.
    Facts {
        /// Directory with protobuf.json, swagger.json, merge-schema.yaml, resources.json and golden/.
        dir: PathBuf,
    },
    /// Make the typed API from the compact facts.
    Codegen {
        /// Write nothing; fail when a generated file differs.
        #[arg(long)]
        check: bool,
    },
}

/// Runs the command that the process's arguments name.
pub fn run() -> Result<()> {
    let root = workspace_root()?;
    match Arguments::parse().command {
        Command::Facts { dir } => {
            let text = facts::import::import(&dir)?.to_text();
            let path = root.join(facts::PATH);
            std::fs::create_dir_all(path.parent().context("the facts have a directory")?)?;
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        }
        Command::Codegen { check } => codegen::run(&root, check),
    }
}

/// The directory of the workspace's `Cargo.toml`.
fn workspace_root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .map(PathBuf::from)
        .context("xtask lies two directories below the workspace's root")
}
