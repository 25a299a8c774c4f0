//! The command line: `run` supervises, everything else asks a running supervisor.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    control::{self, SOCKET, Services},
    service::{self, Place},
};

#[derive(Parser)]
#[command(name = "kube-supervisor", version, about = "Runs the services of a node where systemd does not")]
struct Options {
    /// The socket to ask or to answer on.
    #[arg(long, default_value = SOCKET, global = true)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Supervise services until asked to end.
    Run {
        /// Folder with `<name>.service` units and their drop-ins.
        #[arg(long)]
        units: PathBuf,
        /// Folder for the services' logs.
        #[arg(long, default_value = "/var/log/kube-supervisor")]
        logs: PathBuf,
        /// Services to start at once, in this order; others wait to be asked.
        #[arg(long, value_delimiter = ',')]
        start: Vec<String>,
    },
    /// Start a service.
    Start { name: String },
    /// Stop a service and keep it down.
    Stop { name: String },
    /// Stop and start a service.
    Restart { name: String },
    /// Tell whether a service runs, and as which process.
    Status { name: String },
    /// Succeed when a service runs.
    IsActive { name: String },
    /// Succeed when there is such a service.
    Exists { name: String },
    /// Name all services.
    List,
}

/// Runs the command line that the process was given.
pub fn run() -> ExitCode {
    let options = Options::parse();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(dispatch(options)));
    match outcome {
        Ok(text) => {
            if !text.is_empty() {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(options: Options) -> anyhow::Result<String> {
    let question = match options.command {
        Command::Run { units, logs, start } => {
            return supervise(&options.socket, &units, &logs, &start).await.map(|()| String::new());
        }
        Command::Start { name } => format!("start {name}"),
        Command::Stop { name } => format!("stop {name}"),
        Command::Restart { name } => format!("restart {name}"),
        Command::Status { name } => format!("status {name}"),
        Command::IsActive { name } => format!("is-active {name}"),
        Command::Exists { name } => format!("exists {name}"),
        Command::List => "list".to_owned(),
    };
    Ok(control::ask(&options.socket, &question).await?)
}

async fn supervise(socket: &Path, units: &Path, logs: &Path, start: &[String]) -> anyhow::Result<()> {
    std::fs::create_dir_all(logs).with_context(|| format!("failed to create {logs:?}"))?;
    let names = service_names(units)?;
    for name in start {
        anyhow::ensure!(names.contains(name), "there is no unit for {name:?} in {units:?}");
    }
    let listener = control::listen(socket)?;
    let mut tasks = JoinSet::new();
    let mut services = Services::new();
    // In the wanted order first; what is started later finds what it needs.
    let others = names.iter().filter(|name| !start.contains(name));
    for name in start.iter().chain(others) {
        // One question at a time per service is plenty.
        let (sender, requests) = mpsc::channel(4);
        let place = Place { name: name.clone(), units: units.to_owned(), logs: logs.to_owned() };
        tasks.spawn(service::run(place, start.contains(name), requests));
        services.insert(name.clone(), sender);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            // Safe to cancel: signals stay pending.
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Safe to cancel: a connection that is not accepted stays in the queue.
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let services = services.clone();
                tokio::spawn(async move {
                    // Who hangs up before the answer does not want it.
                    let _ = control::serve(stream, services).await;
                });
            },
        }
    }
    // Without senders the services stop themselves.
    drop(services);
    while tasks.join_next().await.is_some() {}
    std::fs::remove_file(socket).with_context(|| format!("failed to remove {socket:?}"))
}

fn service_names(units: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(units).with_context(|| format!("failed to read {units:?}"))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".service").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
