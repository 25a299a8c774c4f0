//! `kubectl exec`: runs a command in a container.

use std::io::Write as _;

use client::upgrade::{Command, remote_command};

use super::{pods, terminal};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Arguments of `exec`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD or TYPE/NAME
    pub target: String,
    /// Container name
    #[arg(long, short = 'c')]
    pub container: Option<String>,
    /// Pass stdin to the container
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Stdin is a TTY
    #[arg(long, short = 't')]
    pub tty: bool,
    /// Only print output from the remote session
    #[arg(long, short = 'q')]
    pub quiet: bool,
    /// Command and arguments
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// Runs `exec`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    if args.command.is_empty() {
        return Err(message("you must specify at least one command for the container"));
    }
    let pod = pods::pods_of(factory, &args.target).await?.into_iter().next().unwrap_or_default();
    let phase = values::text(&pod, "/status/phase");
    if phase == "Succeeded" || phase == "Failed" {
        return Err(message(format!("cannot exec into a container in a completed pod; current phase is {phase}")));
    }
    let (container, note) = pods::container(&pod, args.container.as_deref())?;
    if let Some(note) = note.filter(|_| !args.quiet) {
        writeln!(streams.err, "{note}")?;
    }
    let tty = args.tty && args.stdin && streams.terminal;
    if args.tty && !tty {
        writeln!(streams.err, "Unable to use a TTY - input is not a terminal or the right kind of file")?;
    }
    let command = Command { container, command: args.command, stdin: args.stdin, stdout: true, stderr: !tty, tty };
    let process = remote_command::exec(factory.client()?, values::namespace(&pod), values::name(&pod), &command).await?;
    terminal::converse(process, tty, streams).await
}
