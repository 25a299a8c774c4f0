//! `kubectl attach`: joins the main process of a container.

use std::io::Write as _;

use client::upgrade::{Command, remote_command};

use super::{pods, terminal};
use crate::error::message;
use crate::{Factory, Result, Streams, values};

/// Arguments of `attach`.
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
}

/// Runs `attach`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let pod = pods::pods_of(factory, &args.target).await?.into_iter().next().unwrap_or_default();
    let phase = values::text(&pod, "/status/phase");
    if phase == "Succeeded" || phase == "Failed" {
        return Err(message(format!("cannot attach a container in a completed pod; current phase is {phase}")));
    }
    let (container, note) = pods::container(&pod, args.container.as_deref())?;
    if let Some(note) = note.filter(|_| !args.quiet) {
        writeln!(streams.err, "{note}")?;
    }
    let has_tty = values::list(&pod, "/spec/containers")
        .iter()
        .any(|spec| values::text(spec, "/name") == container && values::flag(spec, "/tty"));
    let tty = args.tty && args.stdin && streams.terminal && has_tty;
    if args.tty && !tty {
        writeln!(streams.err, "error: Unable to use a TTY - container {container} did not allocate one")?;
    }
    if !args.quiet && args.stdin {
        writeln!(streams.err, "If you don't see a command prompt, try pressing enter.")?;
    }
    let command = Command { container, command: Vec::new(), stdin: args.stdin, stdout: true, stderr: !tty, tty };
    let process = remote_command::attach(factory.client()?, values::namespace(&pod), values::name(&pod), &command).await?;
    terminal::converse(process, tty, streams).await
}
