//! `kubectl completion`: scripts for shells; they ask `kubectl __complete` for what may come next.

use std::io::Write as _;

use crate::{Factory, Result, Streams};

/// Arguments of `completion`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell: bash, zsh or fish
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    pub shell: String,
}

/// Runs `completion`.
pub async fn run(args: Args, _: &Factory, streams: &mut Streams) -> Result<i32> {
    let script = match args.shell.as_str() {
        "bash" => include_str!("scripts/kubectl.bash"),
        "zsh" => include_str!("scripts/kubectl.zsh"),
        _ => include_str!("scripts/kubectl.fish"),
    };
    streams.out.write_all(script.as_bytes())?;
    Ok(0)
}
