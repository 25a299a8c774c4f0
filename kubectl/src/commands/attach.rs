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
    join(&pod, container, Joining { stdin: args.stdin, tty: args.tty, quiet: args.quiet }, factory, streams).await
}

/// How a container is joined.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// Input goes to the container.
    pub stdin: bool,
    /// The container's terminal is used.
    pub tty: bool,
    /// Without notes.
    pub quiet: bool,
}

/// Joins the main process of a container of a running pod until it or the input ends.
pub async fn join(
    pod: &serde_json::Value,
    container: String,
    how: Joining,
    factory: &Factory,
    streams: &mut Streams,
) -> Result<i32> {
    let lists = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let has_tty = lists
        .into_iter()
        .flat_map(|list| values::list(pod, list))
        .any(|spec| values::text(spec, "/name") == container && values::flag(spec, "/tty"));
    if how.tty && !has_tty && !how.quiet {
        writeln!(streams.err, "error: Unable to use a TTY - container {container} did not allocate one")?;
    }
    // A container with a terminal speaks to one, asked for or not; its error output is not apart.
    let tty = has_tty;
    let raw = tty && how.stdin && streams.terminal;
    if !how.quiet {
        writeln!(
            streams.err,
            "All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt."
        )?;
        writeln!(streams.err, "If you don't see a command prompt, try pressing enter.")?;
    }
    let command =
        Command { container, command: Vec::new(), stdin: how.stdin, stdout: true, stderr: !tty, tty };
    let (namespace, name) = (values::namespace(pod), values::name(pod));
    let process = remote_command::attach(factory.client()?, namespace, name, &command).await?;
    terminal::converse(process, raw, streams).await
}
