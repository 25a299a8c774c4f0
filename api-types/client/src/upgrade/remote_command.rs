//! Running a command in a container, or attaching to it, over channels in one WebSocket.
//!
//! Each binary message starts with the number of its channel: 0 standard input, 1 output, 2 error,
//! 3 the final status, 4 terminal sizes; protocol v5 adds 255, which closes the channel that follows.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use machinery::Message as _;
use machinery::meta::v1::Status;
use machinery::status::StatusError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::handshake::{self, Upgraded};
use crate::client::Client;
use crate::error::Error;
use crate::paths::{Query, collection, escape};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Bytes read from standard input at once, and buffered per output.
const BUFFER: usize = 32 * 1024;
/// As client-go: the connection is kept alive through proxies.
const PING_PERIOD: Duration = Duration::from_secs(5);
/// Terminal sizes waiting to be sent; a new one makes the old void, so few are enough.
const QUEUED_SIZES: usize = 4;

/// What to run or attach to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Container; empty for the only one or the default one.
    pub container: String,
    /// Program and arguments; unused for attach.
    pub command: Vec<String>,
    /// Whether there is input.
    pub stdin: bool,
    /// Whether output is wanted.
    pub stdout: bool,
    /// Whether error output is wanted; not together with `tty`.
    pub stderr: bool,
    /// Whether the command gets a terminal.
    pub tty: bool,
}

impl Command {
    fn to_query(&self) -> Query {
        let flag = |on: bool| if on { "true" } else { "" };
        let mut query = Query::default();
        for argument in &self.command {
            // An empty argument is an argument.
            query.push_even_empty("command", argument);
        }
        query.push("container", &self.container);
        query.push("stdin", flag(self.stdin));
        query.push("stdout", flag(self.stdout));
        query.push("stderr", flag(self.stderr));
        query.push("tty", flag(self.tty));
        query
    }
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A running command. Dropping the streams that are not needed lets the others go on.
#[derive(Debug)]
pub struct RemoteProcess {
    /// Input; shutting it down or dropping it tells the command that there is no more.
    pub stdin: Option<DuplexStream>,
    /// Output until its end.
    pub stdout: Option<DuplexStream>,
    /// Error output until its end.
    pub stderr: Option<DuplexStream>,
    /// Takes new sizes of the terminal.
    pub resize: mpsc::Sender<TerminalSize>,
    status: oneshot::Receiver<Result<Exit, Error>>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Exit {
    /// With code 0, or an attach that ended.
    Success,
    /// With another code.
    Code(i32),
    /// It could not be run, or not to its end.
    Failure(StatusError),
}

impl RemoteProcess {
    /// Waits for the end. Outputs must be read meanwhile, or dropped.
    pub async fn wait(self) -> Result<Exit, Error> {
        // Unread outputs must not hold the connection up.
        drop((self.stdin, self.stdout, self.stderr));
        self.status
            .await
            .unwrap_or_else(|_| Err(Error::Upgrade("the connection ended without a status".to_owned())))
    }

    /// The final status alone, for callers that took the streams apart.
    pub fn into_status(self) -> impl Future<Output = Result<Exit, Error>> + Send + 'static {
        let status = self.status;
        async move {
            status
                .await
                .unwrap_or_else(|_| Err(Error::Upgrade("the connection ended without a status".to_owned())))
        }
    }
}

/// Runs a command in a container of a pod.
pub async fn exec(
    client: &Client,
    namespace: &str,
    pod: &str,
    command: &Command,
) -> Result<RemoteProcess, Error> {
    start(client, namespace, pod, "exec", command).await
}

/// Attaches to the main process of a container.
pub async fn attach(
    client: &Client,
    namespace: &str,
    pod: &str,
    command: &Command,
) -> Result<RemoteProcess, Error> {
    start(client, namespace, pod, "attach", command).await
}

async fn start(
    client: &Client,
    namespace: &str,
    pod: &str,
    subresource: &str,
    command: &Command,
) -> Result<RemoteProcess, Error> {
    let pods = collection("", "v1", "pods", Some(namespace));
    let path = format!("{pods}/{}/{subresource}{}", escape(pod), command.to_query().text());
    let (socket, protocol) = handshake::websocket(client, &path, &[V5, V4]).await?;
    Ok(run(socket, protocol == V5, command))
}

/// Starts the two tasks that move bytes between the socket and the streams.
fn run(socket: WebSocketStream<Upgraded>, can_close: bool, command: &Command) -> RemoteProcess {
    let (sink, stream) = socket.split();
    let pipe = |wanted: bool| if wanted { Some(tokio::io::duplex(BUFFER)) } else { None };
    let (stdin, stdin_far) = pipe(command.stdin).unzip();
    let (stdout, stdout_far) = pipe(command.stdout).unzip();
    let (stderr, stderr_far) = pipe(command.stderr && !command.tty).unzip();
    let (resize, sizes) = mpsc::channel(QUEUED_SIZES);
    let (done, status) = oneshot::channel();
    let sending = tokio::spawn(send(sink, stdin_far, sizes, can_close));
    tokio::spawn(async move {
        let outcome = receive(stream, [stdout_far, stderr_far]).await;
        sending.abort();
        // Nobody may be interested in how it ended.
        let _ = done.send(outcome);
    });
    RemoteProcess { stdin, stdout, stderr, resize, status }
}

async fn send(
    mut sink: SplitSink<WebSocketStream<Upgraded>, Message>,
    mut stdin: Option<impl AsyncRead + Unpin>,
    mut sizes: mpsc::Receiver<TerminalSize>,
    can_close: bool,
) {
    let mut buffer = vec![0; BUFFER];
    let mut ping = tokio::time::interval(PING_PERIOD);
    loop {
        // Nothing is lost by dropping the losing branches: each takes only when it is ready.
        let message = tokio::select! {
            read = read_some(&mut stdin, &mut buffer) => match read {
                0 => {
                    stdin = None;
                    // Version 4 has no way to say that input ended; the end of the connection says it.
                    if !can_close {
                        continue;
                    }
                    Message::Binary(Bytes::from_static(&[CLOSE, STDIN]))
                }
                length => channel(STDIN, buffer.get(..length).unwrap_or_default()),
            },
            Some(size) = sizes.recv() => {
                let text = format!("{{\"Width\":{},\"Height\":{}}}\n", size.width, size.height);
                channel(RESIZE, text.as_bytes())
            }
            _ = ping.tick() => Message::Ping(Bytes::new()),
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// Bytes read, 0 at the end; never returns when there is no input.
async fn read_some(stdin: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> usize {
    match stdin {
        Some(stdin) => stdin.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn channel(number: u8, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(number);
    message.extend_from_slice(bytes);
    Message::Binary(message.into())
}

async fn receive(
    mut stream: SplitStream<WebSocketStream<Upgraded>>,
    mut outputs: [Option<DuplexStream>; 2],
) -> Result<Exit, Error> {
    while let Some(message) = stream.next().await {
        let message = message.map_err(|error| Error::Upgrade(error.to_string()))?;
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => break,
            _ => continue,
        };
        match bytes.split_first() {
            Some((number @ (&STDOUT | &STDERR), content)) => {
                let output = outputs.get_mut(usize::from(*number - STDOUT));
                if let Some(output) = output
                    && let Some(writer) = output
                    && writer.write_all(content).await.is_err()
                {
                    // The reader was dropped: what else comes is thrown away.
                    *output = None;
                }
            }
            Some((&ERROR, content)) => return exit(content),
            Some((&CLOSE, [number @ (STDOUT | STDERR)])) => {
                if let Some(output) = outputs.get_mut(usize::from(*number - STDOUT)) {
                    *output = None;
                }
            }
            _ => {}
        }
    }
    Err(Error::Upgrade("the connection ended without a status".to_owned()))
}

/// Reads the final status.
fn exit(content: &[u8]) -> Result<Exit, Error> {
    let status = Status::from_json(content).map_err(|error| Error::decode("exit status", error))?;
    if status.status == "Success" {
        return Ok(Exit::Success);
    }
    let failure = StatusError::from(status);
    let code = (failure.reason() == "NonZeroExitCode").then(|| failure.cause("ExitCode")).flatten();
    match code.and_then(|cause| cause.message.parse().ok()) {
        Some(code) => Ok(Exit::Code(code)),
        None => Ok(Exit::Failure(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_keep_empty_arguments() {
        let command = Command {
            command: vec!["sh".into(), "".into(), "a b".into()],
            stdin: true,
            ..Command::default()
        };
        assert_eq!(command.to_query().text(), "?command=sh&command=&command=a%20b&stdin=true");
    }

    #[test]
    fn statuses_become_exits() {
        let check = |text: &str, expected: Exit| assert_eq!(exit(text.as_bytes()).expect("valid"), expected);
        check(r#"{"status":"Success"}"#, Exit::Success);
        check(
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#,
            Exit::Code(3),
        );
        assert!(matches!(
            exit(br#"{"status":"Failure","message":"no such container"}"#),
            Ok(Exit::Failure(_))
        ));
        assert!(exit(b"nonsense").is_err());
    }
}
