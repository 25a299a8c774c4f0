//! One service: started from its unit, watched, started again when it ends, stopped when asked.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        prctl::set_pdeathsig,
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use crate::unit::{Unit, command_words, optional};

/// What a service can be asked.
#[derive(Debug)]
pub enum Request {
    Start,
    Stop,
    Restart,
    /// Answers with the process id while the service runs.
    Status,
}

/// A request and where its answer goes.
pub type Message = (Request, oneshot::Sender<Result<Option<u32>, String>>);

/// Where a service lives on the host.
#[derive(Clone, Debug)]
pub struct Place {
    pub name: String,
    pub units: PathBuf,
    pub logs: PathBuf,
}

/// A log larger than this is moved aside at the next start.
const MOST_LOG_BYTES: u64 = 64 << 20;
/// The longest pause between two starts of a service that keeps ending at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A service that ran at least this long ended for a reason of its own.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// The state of the task that owns a service.
struct Service {
    place: Place,
    child: Option<(Child, Instant)>,
    /// Whether it should run.
    wanted: bool,
    /// When to start it again.
    next_start: Option<Instant>,
    failures: u32,
}

/// Runs a service until all senders of requests are gone, then stops it.
pub async fn run(place: Place, start: bool, mut requests: mpsc::Receiver<Message>) {
    let mut service = Service { place, child: None, wanted: start, next_start: None, failures: 0 };
    if start {
        service.next_start = Some(Instant::now());
    }
    loop {
        let next_start = service.next_start.filter(|_| service.wanted && service.child.is_none());
        tokio::select! {
            // Safe to cancel: a message that is not taken stays in the channel.
            message = requests.recv() => match message {
                Some((request, answer)) => {
                    let outcome = service.handle(request).await;
                    // Nobody waits for the answer any more: there is nothing to tell them.
                    let _ = answer.send(outcome);
                }
                None => break,
            },
            // Safe to cancel: waiting for a process changes nothing until it has ended.
            status = ended(&mut service.child) => service.note_end(status),
            // Safe to cancel: a timer.
            () = sleep_until(next_start.unwrap_or_else(Instant::now)), if next_start.is_some() => {
                if let Err(complaint) = service.start().await {
                    service.log(&format!("failed to start: {complaint}"));
                    service.plan_restart(Duration::ZERO);
                }
            }
        }
    }
    service.stop().await;
}

async fn ended(child: &mut Option<(Child, Instant)>) -> std::io::Result<ExitStatus> {
    match child {
        Some((child, _)) => child.wait().await,
        None => std::future::pending().await,
    }
}

impl Service {
    async fn handle(&mut self, request: Request) -> Result<Option<u32>, String> {
        match request {
            Request::Status => {}
            Request::Stop => {
                self.wanted = false;
                self.stop().await;
            }
            Request::Start => {
                self.wanted = true;
                if self.child.is_none() {
                    self.start().await?;
                }
            }
            Request::Restart => {
                self.wanted = true;
                self.stop().await;
                self.start().await?;
            }
        }
        Ok(self.child.as_ref().and_then(|(child, _)| child.id()))
    }

    async fn start(&mut self) -> Result<(), String> {
        self.next_start = None;
        let text = |error: crate::unit::UnitError| error.to_string();
        let unit = Unit::load(&self.place.units, &self.place.name).map_err(text)?;
        let variables = unit.variables().map_err(text)?;
        for line in &unit.start_pre {
            let (line, may_fail) = optional(line);
            let mut command = self.command(&unit, &command_words(line, &variables)?)?;
            let done = command.envs(&variables).status().await;
            let succeeded = done.as_ref().is_ok_and(ExitStatus::success);
            if !succeeded && !may_fail {
                return Err(format!("{line:?} failed: {done:?}"));
            }
        }
        let words = command_words(&unit.start, &variables)?;
        let mut command = self.command(&unit, &words)?;
        let child =
            command.envs(&variables).spawn().map_err(|error| format!("{}: {error}", words.join(" ")))?;
        self.log(&format!("started as process {}", child.id().unwrap_or_default()));
        self.child = Some((child, Instant::now()));
        Ok(())
    }

    fn command(&self, unit: &Unit, words: &[String]) -> Result<Command, String> {
        let (program, arguments) = words.split_first().ok_or("the command line is empty")?;
        let log = self.open_log().map_err(|error| format!("{}: {error}", self.log_path().display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // A group of its own, so that all its processes can be reached and none of ours.
            .process_group(0);
        if let Some(folder) = &unit.working_directory {
            command.current_dir(folder);
        }
        // As much as the host allows: not every container may raise it.
        let files = unit.open_files.and_then(|wanted| {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
            Some((wanted.min(hard), hard))
        });
        // SAFETY: prctl and setrlimit are async-signal-safe and touch no memory of this process.
        unsafe {
            command.pre_exec(move || {
                // A supervisor that was killed must not leave services behind that its successor starts again.
                set_pdeathsig(Signal::SIGTERM)?;
                if let Some((limit, hard)) = files {
                    setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
                }
                Ok(())
            });
        }
        Ok(command)
    }

    fn note_end(&mut self, status: std::io::Result<ExitStatus>) {
        let ran = self.child.take().map(|(_, since)| since.elapsed()).unwrap_or_default();
        let text = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        self.log(&format!("ended after {ran:.1?}: {text}"));
        if self.wanted {
            self.plan_restart(ran);
        }
    }

    /// Starts it again after the unit's pause, which grows while it keeps ending at once.
    fn plan_restart(&mut self, ran: Duration) {
        self.failures = if ran >= GOOD_RUN { 0 } else { self.failures.saturating_add(1) };
        let pause = Unit::load(&self.place.units, &self.place.name)
            .map_or(Duration::from_secs(1), |unit| unit.restart_pause);
        let factor = 2_u32.saturating_pow(self.failures.saturating_sub(1).min(5));
        let pause = pause.saturating_mul(factor).min(LONGEST_PAUSE.max(pause));
        self.next_start = Some(Instant::now() + pause);
    }

    async fn stop(&mut self) {
        self.next_start = None;
        let Some((mut child, _)) = self.child.take() else { return };
        let unit = Unit::load(&self.place.units, &self.place.name).unwrap_or_default();
        let limit = if unit.stop_limit.is_zero() { Duration::from_secs(10) } else { unit.stop_limit };
        self.signal(&child, Signal::SIGTERM, unit.kill_group);
        if timeout(limit, child.wait()).await.is_err() {
            self.log(&format!("did not stop within {limit:?}: killed"));
            self.signal(&child, Signal::SIGKILL, unit.kill_group);
            // The kernel ends a killed process; only its exit status is of no interest.
            let _ = child.wait().await;
        }
        self.log("stopped");
    }

    fn signal(&self, child: &Child, signal: Signal, group: bool) {
        let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
        let process = Pid::from_raw(id);
        let outcome = if group { killpg(process, signal) } else { nix::sys::signal::kill(process, signal) };
        if let Err(error) = outcome {
            self.log(&format!("failed to send {signal}: {error}"));
        }
    }

    fn log_path(&self) -> PathBuf {
        self.place.logs.join(format!("{}.log", self.place.name))
    }

    fn open_log(&self) -> std::io::Result<std::fs::File> {
        let path = self.log_path();
        if std::fs::metadata(&path).is_ok_and(|log| log.len() > MOST_LOG_BYTES) {
            std::fs::rename(&path, path.with_extension("log.1"))?;
        }
        append(&path)
    }

    /// A line of the supervisor's own in the service's log.
    fn log(&self, line: &str) {
        if let Ok(mut log) = append(&self.log_path()) {
            // A full disk must not end the service.
            let _ = writeln!(log, "[kube-supervisor {}] {}: {line}", jiff::Timestamp::now(), self.place.name);
        }
    }
}

fn append(path: &Path) -> std::io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests;
