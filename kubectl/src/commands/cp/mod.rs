//! `kubectl cp`: files to and from containers, through `tar` in them (`kubectl/pkg/cmd/cp`).

mod archive;
mod paths;
mod receive;
mod send;

use std::io::Write as _;

use client::upgrade::remote_command::{self, Exit};
use client::upgrade::{Command, RemoteProcess};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, DuplexStream};

use super::pods;
use crate::error::message;
use crate::{Error, Factory, Result, Streams, resources, values};
use paths::Place;

/// Bytes read at once.
const BUFFER: usize = 32 * 1024;

/// Arguments of `cp`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Source and destination: [[NAMESPACE/]POD:]PATH
    pub places: Vec<String>,
    /// Container name
    #[arg(long, short = 'c')]
    pub container: Option<String>,
    /// The copied file/directory's ownership and permissions will not be preserved in the container
    #[arg(long)]
    pub no_preserve: bool,
    /// Set number of retries to complete a copy operation from a container; negative for no end
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    pub retries: i64,
}

/// Runs `cp`.
pub async fn run(args: Args, factory: &Factory, streams: &mut Streams) -> Result<i32> {
    let [source, target] = args.places.as_slice() else {
        return Err(message("source and destination are required"));
    };
    let (source, target) = (Place::parse(source)?, Place::parse(target)?);
    if source.pod.is_some() && target.pod.is_some() {
        return Err(message("one of src or dest must be a local file specification"));
    }
    if source.path.is_empty() || target.path.is_empty() {
        return Err(message("filepath can not be empty"));
    }
    match (&source.pod, &target.pod) {
        (Some(pod), _) => {
            let container = Container::find(pod, &args, factory, streams).await?;
            from_pod(&args, &container, &source.path, &target.path, streams).await
        }
        (None, Some(pod)) => {
            if std::fs::metadata(&source.path).is_err() {
                return Err(message(format!("{} doesn't exist in local filesystem", source.path)));
            }
            let container = Container::find(pod, &args, factory, streams).await?;
            to_pod(&args, &container, &source.path, &target.path, streams).await
        }
        (None, None) => Err(message("one of src or dest must be a remote file specification")),
    }
}

/// A container commands are run in.
struct Container<'a> {
    client: &'a client::Client,
    pod: Value,
    name: String,
}

impl<'a> Container<'a> {
    async fn find(
        (namespace, name): &(String, String),
        args: &Args,
        factory: &'a Factory,
        streams: &mut Streams,
    ) -> Result<Container<'a>> {
        let mut target = resources::target(factory, factory.resource("pods").await?, name)?;
        if !namespace.is_empty() {
            target.namespace = Some(namespace.clone());
        }
        let pod = target.get(factory).await?;
        let phase = values::text(&pod, "/status/phase");
        if phase == "Succeeded" || phase == "Failed" {
            return Err(message(format!(
                "cannot exec into a container in a completed pod; current phase is {phase}"
            )));
        }
        let (name, note) = pods::container(&pod, args.container.as_deref())?;
        if let Some(note) = note {
            writeln!(streams.err, "{note}")?;
        }
        Ok(Container { client: factory.client()?, pod, name })
    }

    async fn start(&self, command: Vec<String>, stdin: bool) -> Result<RemoteProcess> {
        let command = Command { container: self.name.clone(), command, stdin, stdout: true, stderr: true, tty: false };
        let (namespace, name) = (values::namespace(&self.pod), values::name(&self.pod));
        Ok(remote_command::exec(self.client, namespace, name, &command).await?)
    }

    /// Runs a command without input; whether it ended with 0.
    async fn succeeds(&self, command: &[&str]) -> Result<bool> {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Ok(matches!(self.start(command, false).await?.wait().await?, Exit::Success))
    }
}

/// The end of a remote command as that of this one.
fn ended(exit: Exit) -> Result<()> {
    match exit {
        Exit::Success => Ok(()),
        Exit::Code(code) => {
            Err(Error::ExitWith(code, format!("command terminated with exit code {code}")))
        }
        Exit::Failure(status) => Err(message(format!("Internal error occurred: {}", status.status.message))),
    }
}

async fn drain(stream: Option<DuplexStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What came before a break is worth showing; the status tells of the break.
        let _ = stream.read_to_end(&mut bytes).await;
    }
    bytes
}

async fn to_pod(
    args: &Args,
    container: &Container<'_>,
    source: &str,
    target: &str,
    streams: &mut Streams,
) -> Result<i32> {
    let is_folder = container.succeeds(&["test", "-d", target]).await?;
    let target =
        if is_folder { paths::join(target, &paths::split(source).1) } else { target.to_owned() };
    let entries = send::entries(source, &target)?;
    let mut command = vec!["tar"];
    if args.no_preserve {
        command.extend(["--no-same-permissions", "--no-same-owner"]);
    }
    let (folder, _) = paths::split(&target);
    command.extend(["-xmf", "-", "-C", &folder]);
    let command = command.into_iter().map(str::to_owned).collect();
    let mut process = container.start(command, true).await?;
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let sending = async {
        match stdin {
            Some(mut stdin) => send::write(&entries, &mut stdin).await,
            None => Ok(()),
        }
    };
    let (sent, out, err, exit) = tokio::join!(sending, drain(stdout), drain(stderr), process.into_status());
    streams.out.write_all(&out)?;
    streams.err.write_all(&err)?;
    ended(exit?)?;
    // A command that ended well took everything; a broken pipe then is its padding.
    match sent {
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0),
    }
}

async fn from_pod(
    args: &Args,
    container: &Container<'_>,
    source: &str,
    target: &str,
    streams: &mut Streams,
) -> Result<i32> {
    let mut remote = Remote { args, container, source, process: None, read: 0, attempts: 0 };
    let what = receive::Unpacking {
        prefix: paths::prefix(source),
        target,
        origin: (values::namespace(&container.pod), values::name(&container.pod), source),
    };
    receive::unpack(&what, &mut remote, streams).await?;
    if let Some(mut process) = remote.process.take() {
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let (_, err, exit) = tokio::join!(drain(out), drain(err), process.into_status());
        streams.out.write_all(&err)?;
        ended(exit?)?;
    }
    Ok(0)
}

/// The output of `tar` in a container, taken up again where it broke off.
struct Remote<'a> {
    args: &'a Args,
    container: &'a Container<'a>,
    source: &'a str,
    process: Option<RemoteProcess>,
    read: u64,
    attempts: i64,
}

impl Remote<'_> {
    fn command(&self) -> Vec<String> {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        if self.args.retries == 0 {
            return own(&["tar", "cf", "-", self.source]);
        }
        own(&["sh", "-c", &format!("tar cf - {} | tail -c+{}", self.source, self.read + 1)])
    }
}

impl receive::Bytes for Remote<'_> {
    async fn next(&mut self, streams: &mut Streams) -> Result<Vec<u8>> {
        loop {
            if self.process.is_none() {
                self.process = Some(self.container.start(self.command(), false).await?);
            }
            let Some(process) = &mut self.process else { continue };
            let mut buffer = vec![0; BUFFER];
            let RemoteProcess { stdout, stderr, .. } = process;
            let count = tokio::select! {
                count = read(stdout) => count.map(|bytes| { let length = bytes.len(); buffer = bytes; length }),
                Some(text) = read(stderr) => {
                    if text.is_empty() {
                        *stderr = None;
                    }
                    streams.out.write_all(&text)?;
                    continue;
                }
            };
            match count {
                Some(count) if count > 0 => {
                    self.read += count as u64;
                    return Ok(buffer);
                }
                _ if self.args.retries == 0 => {
                    return Ok(Vec::new());
                }
                _ => {}
            }
            if self.args.retries > 0 && self.attempts >= self.args.retries {
                writeln!(streams.out, "Dropping out copy after {} retries", self.attempts)?;
                return Ok(Vec::new());
            }
            self.attempts += 1;
            writeln!(
                streams.out,
                "Resuming copy at {} bytes, retry {}/{}",
                self.read, self.attempts, self.args.retries
            )?;
            self.process = None;
        }
    }
}

/// A piece of a stream; empty at its end, and no answer ever from one that is not there.
async fn read(stream: &mut Option<DuplexStream>) -> Option<Vec<u8>> {
    let Some(stream) = stream else { return std::future::pending().await };
    let mut buffer = vec![0; BUFFER];
    let count = stream.read(&mut buffer).await.unwrap_or_default();
    buffer.truncate(count);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use client::fake::FakeServer;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn one_side_is_a_pod_and_one_is_here() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (code, _, err) = run(&server, &words).await;
            assert_eq!((code, err.as_str()), (1, format!("error: {expected}\n").as_str()), "{line}");
        };
        check("cp a", "source and destination are required").await;
        check("cp a b", "one of src or dest must be a remote file specification").await;
        check("cp p:a q:b", "one of src or dest must be a local file specification").await;
        check("cp p: b", "filepath can not be empty").await;
        check("cp :x b", "filespec must match the canonical format: [[namespace/]pod:]file/path").await;
        check("cp /no/such/file p:/x", "/no/such/file doesn't exist in local filesystem").await;
        assert!(server.received().is_empty());
    }
}
