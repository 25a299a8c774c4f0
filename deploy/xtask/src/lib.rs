//! The project's own chores, run as `cargo xtask <command>`.

mod build;
mod cluster;
mod codegen;
mod facts;
mod images;
mod process;
mod test;
mod tidy;

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
    /// Check the rules of the house: layers, sizes, first lines, names.
    Tidy,
    /// Everything that must be green before a change is taken: rules, generated files, tests.
    Ci,
    /// Run all tests, unit to end-to-end.
    Test {
        /// Leave out the tests that start a cluster on this machine.
        #[arg(long)]
        skip_cluster: bool,
    },
    /// Build the programs and the archives of all images.
    Images {
        /// How to compile.
        #[arg(long, value_enum, default_value = "release")]
        profile: build::Profile,
        /// Use the programs of an earlier build as they are.
        #[arg(long)]
        skip_build: bool,
    },
    /// Measure the cluster of this machine; words after `--` go to the program that measures.
    Bench {
        /// Arguments of `bench`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Start a single-node cluster on this machine.
    Up {
        /// How to compile.
        #[arg(long, value_enum, default_value = "release")]
        profile: build::Profile,
        /// Use the programs of an earlier build as they are.
        #[arg(long)]
        skip_build: bool,
        /// Leave the demo out.
        #[arg(long)]
        skip_demo: bool,
    },
    /// End everything of the cluster at once, as a cut of the power does; `up` starts it again.
    PowerCut,
    /// Take the cluster of this machine down and leave nothing of it.
    Down {
        /// Remove the packages that `up` installed as well.
        #[arg(long)]
        purge: bool,
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
        Command::Tidy => tidy::check(&root),
        Command::Ci => test::ci(&root),
        Command::Test { skip_cluster } => test::all(&root, skip_cluster),
        Command::Images { profile, skip_build } => {
            let binaries = if skip_build {
                build::Binaries::locate(&root, profile)?
            } else {
                build::build(&root, profile)?
            };
            images::build(&root, profile, &binaries).map(drop)
        }
        Command::Bench { arguments } => test::bench(&root, &arguments),
        Command::Up { profile, skip_build, skip_demo } => {
            cluster::up(&root, cluster::UpOptions { profile, skip_build, skip_demo })
        }
        Command::PowerCut => cluster::cut_power(),
        Command::Down { purge } => cluster::down(!purge),
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
