//! WebSocket v5 of a client, SPDY v4 of the runtime: channels become streams and streams channels.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use client::spdy::{Session, Stream};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use machinery::Message as _;
use machinery::status::StatusError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::task::AbortOnDropHandle;

use super::options::StreamOptions;
use super::{V5, backend, websocket};
use crate::server::reply::Reply;

/// Channels of the protocol: the first byte of every message.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Bytes of output put into one message.
const PIECE: usize = 32 << 10;

/// The status of a command is small.
const MAX_STATUS: u64 = 1 << 20;

/// Messages that wait for a slow client; its command is slowed down then.
const QUEUED_MESSAGES: usize = 16;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Accepts the WebSocket; what goes wrong after that is told on its error channel, as clients expect.
pub(super) fn serve(mut request: Request<Incoming>, url: String, options: StreamOptions) -> Reply {
    let (answer, upgrade) = match websocket::accept(&mut request, V5) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal.reply(),
    };
    tokio::spawn(async move {
        match websocket::opened(upgrade).await {
            Ok(socket) => converse(socket, &url, options).await,
            Err(error) => tracing::debug!(%error, "client left before its stream opened"),
        }
    });
    answer
}

async fn converse(socket: Socket, url: &str, options: StreamOptions) {
    let (sink, source) = socket.split();
    let (messages, queue) = mpsc::channel(QUEUED_MESSAGES);
    let writer = tokio::spawn(write_messages(sink, queue));
    match open(url, options).await {
        Ok((session, streams)) => run(session, streams, source, messages).await,
        Err(error) => {
            let status = StatusError::internal_error(error).status.to_json();
            // A client that left does not need to know.
            let _ = messages.send(on_channel(ERROR, &status)).await;
            drop(messages);
        }
    }
    // Ends when all that was queued is sent and the socket is closed.
    let _ = writer.await;
}

/// Streams of a command, those that are wanted.
struct Streams {
    error: Stream,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

async fn open(url: &str, options: StreamOptions) -> Result<(Arc<Session>, Streams), String> {
    let session = Arc::new(backend::session(url).await.map_err(|error| error.to_string())?);
    let open = async |kind: &str| {
        let headers = vec![("streamtype".to_owned(), kind.to_owned())];
        session.open(headers).await.map_err(|error| format!("open {kind} stream: {error}"))
    };
    let open_if = async |wanted: bool, kind: &str| -> Result<Option<Stream>, String> {
        if wanted { open(kind).await.map(Some) } else { Ok(None) }
    };
    let streams = Streams {
        error: open("error").await?,
        stdin: open_if(options.stdin, "stdin").await?,
        stdout: open_if(options.stdout, "stdout").await?,
        stderr: open_if(options.stderr, "stderr").await?,
        resize: open_if(options.tty, "resize").await?,
    };
    Ok((session, streams))
}

/// Moves everything until the command ended or the client left.
async fn run(
    session: Arc<Session>,
    streams: Streams,
    source: SplitStream<Socket>,
    messages: mpsc::Sender<Message>,
) {
    let Streams { error, stdin, stdout, stderr, resize } = streams;
    let input = AbortOnDropHandle::new(tokio::spawn(read_messages(source, stdin, resize)));
    let outputs = async {
        let copy = async |stream: Option<Stream>, channel: u8| match stream {
            Some(stream) => copy_out(stream, channel, &messages).await,
            None => Ok(()),
        };
        // The status comes last: whoever reads it may leave.
        let (stdout, stderr, status) =
            tokio::join!(copy(stdout, STDOUT), copy(stderr, STDERR), read_status(error));
        if stdout.is_ok() && stderr.is_ok() && !status.is_empty() {
            let _ = messages.send(on_channel(ERROR, &status)).await;
        }
    };
    tokio::select! {
        // Done: everything was queued.
        () = outputs => {}
        // The client left: what the command still says is of no use.
        _ = input => {}
    }
    drop(messages);
    session.close().await;
}

async fn copy_out(mut stream: Stream, channel: u8, messages: &mpsc::Sender<Message>) -> Result<(), ()> {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE + 1);
        piece.put_u8(channel);
        match stream.read_buf(&mut piece).await {
            Ok(0) => return Ok(()),
            Ok(_) => messages.send(Message::Binary(piece.freeze())).await.map_err(drop)?,
            Err(error) => {
                tracing::debug!(%error, channel, "stream of the runtime broke");
                return Ok(());
            }
        }
    }
}

async fn read_status(stream: Stream) -> Vec<u8> {
    let mut status = Vec::new();
    if let Err(error) = stream.take(MAX_STATUS).read_to_end(&mut status).await {
        tracing::debug!(%error, "status of a command was not read");
    }
    status
}

/// Hands messages to their streams until the client leaves.
async fn read_messages(mut source: SplitStream<Socket>, stdin: Option<Stream>, resize: Option<Stream>) {
    // The halves that are not written keep the streams open.
    let (_stdin_kept, mut stdin) = halves(stdin);
    let (_resize_kept, mut resize) = halves(resize);
    while let Some(Ok(message)) = source.next().await {
        let content = match message {
            Message::Binary(content) => content,
            Message::Text(content) => Bytes::from(content),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        let Some((channel, content)) = content.split_first() else { continue };
        match *channel {
            STDIN => write_to(&mut stdin, content).await,
            RESIZE => write_to(&mut resize, content).await,
            CLOSE if content.first() == Some(&STDIN) => {
                if let Some(mut stdin) = stdin.take() {
                    // A command that ended does not read its input any more.
                    let _ = stdin.shutdown().await;
                }
            }
            other => tracing::debug!(channel = other, "message on a channel that is not written"),
        }
    }
}

fn halves(stream: Option<Stream>) -> (Option<tokio::io::ReadHalf<Stream>>, Option<WriteHalf<Stream>>) {
    match stream.map(tokio::io::split) {
        Some((read, write)) => (Some(read), Some(write)),
        None => (None, None),
    }
}

/// A stream that refuses is not written again: the command closed it, and goes on without.
async fn write_to(stream: &mut Option<WriteHalf<Stream>>, content: &[u8]) {
    if let Some(open) = stream
        && (open.write_all(content).await.is_err() || open.flush().await.is_err())
    {
        *stream = None;
    }
}

async fn write_messages(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = sink.send(Message::Close(Some(goodbye))).await;
    let _ = sink.close().await;
}

fn on_channel(channel: u8, content: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(content.len() + 1);
    message.put_u8(channel);
    message.put_slice(content);
    Message::Binary(message.freeze())
}
