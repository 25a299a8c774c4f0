//! SPDY/3.1 over any byte stream: opens and accepts streams that read and write like connections.
//!
//! Two tasks own the two directions. A stream that nobody reads holds up the others after
//! [`QUEUED_PIECES`] pieces, as upstream's library does: the peers of Kubernetes always read all streams.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, PollSender};

use super::codec::{Decoder, Encoder, Frame, Headers, Role, SpdyError};

/// Pieces of data that wait for a slow reader of one stream; each is at most [`READ_SIZE`] bytes.
const QUEUED_PIECES: usize = 16;
/// Bytes read from the connection at once.
const READ_SIZE: usize = 32 * 1024;
/// Commands that wait for the writing task: enough to keep it busy, small enough to slow writers down.
const QUEUED_COMMANDS: usize = 16;
/// Streams the peer may open before somebody accepts them.
const QUEUED_STREAMS: usize = 32;

/// Why a session could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The connection is gone.
    #[error("spdy connection is closed")]
    Closed,
    /// The peer refused the stream.
    #[error("spdy stream {0} was reset by the peer with status {1}")]
    Refused(u32, u32),
    /// The protocol forbids it.
    #[error(transparent)]
    Protocol(#[from] SpdyError),
}

enum Command {
    Open { headers: Headers, registered: oneshot::Sender<Result<Stream, SessionError>> },
    Reply { stream: u32, headers: Headers, fin: bool },
    Data { stream: u32, bytes: Bytes, fin: bool },
    Reset { stream: u32, status: u32 },
    Pong(u32),
    GoAway,
}

/// What a stream's owner learns from the reading task.
enum Incoming {
    Data(Bytes),
    Fin,
    Reset(u32),
}

#[derive(Default)]
struct Registered {
    incoming: Option<mpsc::Sender<Incoming>>,
    replied: Option<oneshot::Sender<Result<(), SessionError>>>,
}

type Registry = Arc<Mutex<HashMap<u32, Registered>>>;

/// One SPDY connection. Dropping it ends the connection once its streams are dropped too.
pub struct Session {
    commands: mpsc::Sender<Command>,
    accepted: tokio::sync::Mutex<mpsc::Receiver<Stream>>,
    closed: CancellationToken,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("closed", &self.closed.is_cancelled()).finish()
    }
}

impl Session {
    /// Starts the two tasks over `connection`. Must be called inside a tokio runtime.
    pub fn start(connection: impl AsyncRead + AsyncWrite + Send + 'static, role: Role) -> Session {
        let (read_half, write_half) = tokio::io::split(connection);
        let (commands, queue) = mpsc::channel(QUEUED_COMMANDS);
        let (offered, accepted) = mpsc::channel(QUEUED_STREAMS);
        let (registry, closed) = (Registry::default(), CancellationToken::new());
        let writer = Writer {
            encoder: Encoder::new(),
            registry: Arc::clone(&registry),
            commands: commands.downgrade(),
            next_stream: role.first_stream(),
            closed: closed.clone(),
        };
        tokio::spawn(writer.run(write_half, queue));
        let reader =
            Reader { role, registry, commands: commands.downgrade(), offered, closed: closed.clone() };
        tokio::spawn(reader.run(read_half));
        Session { commands, accepted: tokio::sync::Mutex::new(accepted), closed }
    }

    /// Opens a stream and waits until the peer accepts it.
    pub async fn open(&self, headers: Headers) -> Result<Stream, SessionError> {
        let (registered, made) = oneshot::channel();
        let command = Command::Open { headers, registered };
        self.commands.send(command).await.map_err(|_| SessionError::Closed)?;
        let mut stream = made.await.map_err(|_| SessionError::Closed)??;
        if let Some(replied) = stream.replied.take() {
            replied.await.map_err(|_| SessionError::Closed)??;
        }
        Ok(stream)
    }

    /// The next stream the peer opens, `None` when the connection ended. The owner answers with
    /// [`Stream::accept`] or [`Stream::reset`].
    pub async fn accept(&self) -> Option<Stream> {
        self.accepted.lock().await.recv().await
    }

    /// Returns when the connection ended.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Says goodbye and ends the connection.
    pub async fn close(&self) {
        // A connection that is gone already needs no goodbye, and one that takes none is not read to its end.
        if self.commands.send(Command::GoAway).await.is_err() {
            self.closed.cancel();
        }
        self.closed.cancelled().await;
    }
}

struct Writer {
    encoder: Encoder,
    registry: Registry,
    commands: mpsc::WeakSender<Command>,
    next_stream: u32,
    closed: CancellationToken,
}

impl Writer {
    async fn run<W: AsyncWrite + Unpin>(mut self, mut connection: W, mut queue: mpsc::Receiver<Command>) {
        loop {
            // Both branches are safe to drop: receiving takes nothing until it is ready.
            let command = tokio::select! {
                command = queue.recv() => command,
                () = self.closed.cancelled() => None,
            };
            let Some(command) = command else { break };
            let last = matches!(command, Command::GoAway);
            let Ok(bytes) = self.encode(command) else { break };
            if connection.write_all(&bytes).await.is_err() || connection.flush().await.is_err() {
                // The peer left, but what it said before is still to be read: the reader ends the session.
                return;
            }
            if last {
                break;
            }
        }
        // The peer may be gone already; there is nobody to tell.
        let _ = connection.shutdown().await;
        self.closed.cancel();
        self.registry.lock().clear();
    }

    fn encode(&mut self, command: Command) -> Result<Vec<u8>, SpdyError> {
        match command {
            Command::Open { headers, registered } => self.open(&headers, registered),
            Command::Reply { stream, headers, fin } => self.encoder.syn_reply(stream, &headers, fin),
            Command::Data { stream, bytes, fin } => Ok(Encoder::data(stream, &bytes, fin)),
            Command::Reset { stream, status } => {
                self.registry.lock().remove(&stream);
                Ok(Encoder::reset(stream, status))
            }
            Command::Pong(number) => Ok(Encoder::ping(number)),
            Command::GoAway => Ok(Encoder::go_away(0, 0)),
        }
    }

    fn open(
        &mut self,
        headers: &Headers,
        registered: oneshot::Sender<Result<Stream, SessionError>>,
    ) -> Result<Vec<u8>, SpdyError> {
        let number = self.next_stream;
        let Some(commands) = self.commands.upgrade().filter(|_| number < 0x7fff_fffe) else {
            // A dropped receiver means the caller gave up waiting.
            let _ = registered.send(Err(SpdyError::StreamNumbers.into()));
            return Ok(Vec::new());
        };
        self.next_stream += 2;
        let (incoming, queue) = mpsc::channel(QUEUED_PIECES);
        let (replied, reply) = oneshot::channel();
        self.registry.lock().insert(number, Registered { incoming: Some(incoming), replied: Some(replied) });
        let stream =
            Stream::new(number, headers.clone(), queue, commands, Some(reply), self.registry.clone());
        let encoded = self.encoder.syn_stream(number, headers, false);
        let _ = registered.send(Ok(stream));
        encoded
    }
}

struct Reader {
    role: Role,
    registry: Registry,
    commands: mpsc::WeakSender<Command>,
    offered: mpsc::Sender<Stream>,
    closed: CancellationToken,
}

impl Reader {
    async fn run<R: AsyncRead + Unpin>(self, mut connection: R) {
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; READ_SIZE];
        'connection: loop {
            // Safe to drop: a read that is not ready has taken nothing.
            let read = tokio::select! {
                read = connection.read(&mut buffer) => read,
                () = self.closed.cancelled() => break,
            };
            match read {
                Ok(0) | Err(_) => break,
                Ok(length) => decoder.feed(buffer.get(..length).unwrap_or_default()),
            }
            loop {
                match decoder.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        // Safe to drop: a closed connection has no use for the frame.
                        let handled = tokio::select! {
                            handled = self.handle(frame) => handled,
                            () = self.closed.cancelled() => break 'connection,
                        };
                        if !handled {
                            break 'connection;
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "spdy connection broken");
                        break 'connection;
                    }
                }
            }
        }
        self.closed.cancel();
        self.registry.lock().clear();
    }

    /// False when the connection shall end.
    async fn handle(&self, frame: Frame) -> bool {
        match frame {
            Frame::SynStream { stream, headers, fin, .. } => return self.offer(stream, headers, fin).await,
            Frame::SynReply { stream, fin, .. } => {
                let replied = self.registry.lock().get_mut(&stream).and_then(|found| found.replied.take());
                if let Some(replied) = replied {
                    // The opener may have given up waiting.
                    let _ = replied.send(Ok(()));
                }
                if fin {
                    self.deliver(stream, Incoming::Fin).await;
                }
            }
            Frame::Headers { stream, fin: true, .. } => self.deliver(stream, Incoming::Fin).await,
            Frame::Data { stream, bytes, fin } => {
                if !bytes.is_empty() {
                    self.deliver(stream, Incoming::Data(bytes)).await;
                }
                if fin {
                    self.deliver(stream, Incoming::Fin).await;
                }
            }
            Frame::Reset { stream, status } => {
                let replied = self.registry.lock().get_mut(&stream).and_then(|found| found.replied.take());
                if let Some(replied) = replied {
                    let _ = replied.send(Err(SessionError::Refused(stream, status)));
                }
                self.deliver(stream, Incoming::Reset(status)).await;
                self.registry.lock().remove(&stream);
            }
            Frame::Ping(number) if !self.role.owns(number) => {
                if let Some(commands) = self.commands.upgrade() {
                    return commands.send(Command::Pong(number)).await.is_ok();
                }
                return false;
            }
            Frame::GoAway { .. } => return !self.registry.lock().is_empty(),
            Frame::Headers { .. } | Frame::Ping(_) | Frame::Ignored => {}
        }
        true
    }

    async fn offer(&self, stream: u32, headers: Headers, fin: bool) -> bool {
        let Some(commands) = self.commands.upgrade() else { return false };
        let (incoming, queue) = mpsc::channel(QUEUED_PIECES);
        self.registry.lock().insert(stream, Registered { incoming: Some(incoming), replied: None });
        let offered = Stream::new(stream, headers, queue, commands, None, self.registry.clone());
        if fin {
            self.deliver(stream, Incoming::Fin).await;
        }
        // Nobody accepts any more: the session was dropped, its open streams live on.
        if let Err(refused) = self.offered.send(offered).await {
            refused.0.reset(3).await;
        }
        true
    }

    async fn deliver(&self, stream: u32, what: Incoming) {
        let ends = !matches!(what, Incoming::Data(_));
        let sender = {
            let mut registry = self.registry.lock();
            registry
                .get_mut(&stream)
                .and_then(|found| if ends { found.incoming.take() } else { found.incoming.clone() })
        };
        if let Some(sender) = sender {
            // The stream was dropped: what still comes for it is of no use.
            let _ = sender.send(what).await;
        }
    }
}

/// One stream of a session: reads what the peer sends until its end, writes until shut down.
pub struct Stream {
    number: u32,
    headers: Headers,
    incoming: mpsc::Receiver<Incoming>,
    rest: Bytes,
    commands: PollSender<Command>,
    sender: mpsc::Sender<Command>,
    replied: Option<oneshot::Receiver<Result<(), SessionError>>>,
    registry: Registry,
    finished: AtomicBool,
    failed: Option<u32>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Stream")
            .field("number", &self.number)
            .field("headers", &self.headers)
            .finish()
    }
}

impl Stream {
    fn new(
        number: u32,
        headers: Headers,
        incoming: mpsc::Receiver<Incoming>,
        sender: mpsc::Sender<Command>,
        replied: Option<oneshot::Receiver<Result<(), SessionError>>>,
        registry: Registry,
    ) -> Stream {
        Stream {
            number,
            headers,
            incoming,
            rest: Bytes::new(),
            commands: PollSender::new(sender.clone()),
            sender,
            replied,
            registry,
            finished: AtomicBool::new(false),
            failed: None,
        }
    }

    /// Number of the stream in its session.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The headers it was opened with.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Accepts a stream the peer opened.
    pub async fn accept(&self) -> Result<(), SessionError> {
        let reply = Command::Reply { stream: self.number, headers: Headers::new(), fin: false };
        self.sender.send(reply).await.map_err(|_| SessionError::Closed)
    }

    /// Ends the stream in both directions with a status of the protocol (5: cancel).
    pub async fn reset(self, status: u32) {
        self.finished.store(true, Ordering::Relaxed);
        // A connection that is gone needs no reset.
        let _ = self.sender.send(Command::Reset { stream: self.number, status }).await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(status) = this.failed {
            return Poll::Ready(Err(reset_error(this.number, status)));
        }
        while this.rest.is_empty() {
            match ready!(this.incoming.poll_recv(cx)) {
                Some(Incoming::Data(bytes)) => this.rest = bytes,
                Some(Incoming::Fin) | None => return Poll::Ready(Ok(())),
                Some(Incoming::Reset(status)) => {
                    this.failed = Some(status);
                    return Poll::Ready(Err(reset_error(this.number, status)));
                }
            }
        }
        let take = this.rest.len().min(out.remaining());
        out.put_slice(this.rest.get(..take).unwrap_or_default());
        this.rest.advance(take);
        Poll::Ready(Ok(()))
    }
}

fn reset_error(stream: u32, status: u32) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, SessionError::Refused(stream, status))
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.finished.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let stream = self.number;
        ready!(self.commands.poll_reserve(cx)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        let piece = bytes.get(..bytes.len().min(READ_SIZE)).unwrap_or_default();
        let command = Command::Data { stream, bytes: Bytes::copy_from_slice(piece), fin: false };
        self.commands.send_item(command).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The writing task flushes after every frame.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.finished.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let stream = self.number;
        ready!(self.commands.poll_reserve(cx)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        let command = Command::Data { stream, bytes: Bytes::new(), fin: true };
        self.commands.send_item(command).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.finished.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.number);
        if !self.finished.load(Ordering::Relaxed) {
            // A full queue only costs the peer the news; the stream ends with its connection then.
            let _ = self.sender.try_send(Command::Reset { stream: self.number, status: 5 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Session, Session) {
        let (near, far) = tokio::io::duplex(1000);
        (Session::start(near, Role::Client), Session::start(far, Role::Server))
    }

    fn kind(name: &str) -> Headers {
        vec![("streamtype".to_owned(), name.to_owned())]
    }

    #[tokio::test]
    async fn streams_carry_bytes_both_ways() {
        let (client, server) = pair();
        let echo = tokio::spawn(async move {
            let mut stream = server.accept().await.expect("a stream");
            assert_eq!(stream.header("streamtype"), Some("data"));
            stream.accept().await.expect("accepted");
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("read");
            stream.write_all(&all).await.expect("written");
            stream.shutdown().await.expect("shut down");
            server.closed().await;
        });
        let stream = client.open(kind("data")).await.expect("opened");
        let (mut read_half, mut write_half) = tokio::io::split(stream);
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        write_half.write_all(&sent).await.expect("written");
        write_half.shutdown().await.expect("shut down");
        let mut received = Vec::new();
        read_half.read_to_end(&mut received).await.expect("read");
        assert_eq!(received, sent);
        client.close().await;
        echo.await.expect("echo ended");
    }

    #[tokio::test]
    async fn a_refused_stream_is_an_error() {
        let (client, server) = pair();
        let refuse = async { server.accept().await.expect("a stream").reset(3).await };
        let (opened, ()) = tokio::join!(client.open(kind("error")), refuse);
        assert_eq!(opened.err(), Some(SessionError::Refused(1, 3)));
    }

    /// A connection that can be read, but not written once `deaf`: the peer said its last word and left.
    struct Deaf {
        connection: tokio::io::DuplexStream,
        deaf: Arc<AtomicBool>,
    }

    impl AsyncRead for Deaf {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.connection).poll_read(cx, out)
        }
    }

    impl AsyncWrite for Deaf {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.deaf.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            Pin::new(&mut self.connection).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.connection).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.connection).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn last_words_are_read_when_the_peer_takes_nothing_more() {
        let (near, far) = tokio::io::duplex(1000);
        let deaf = Arc::new(AtomicBool::new(false));
        let connection = Deaf { connection: near, deaf: Arc::clone(&deaf) };
        let (client, server) = (Session::start(connection, Role::Client), Session::start(far, Role::Server));
        let accept = async {
            let stream = server.accept().await.expect("a stream");
            stream.accept().await.expect("accepted");
            stream
        };
        let (output, _far_output) = tokio::join!(client.open(kind("stdout")), accept);
        let accept = async {
            let stream = server.accept().await.expect("a stream");
            stream.accept().await.expect("accepted");
            stream
        };
        let (status, far_status) = tokio::join!(client.open(kind("error")), accept);
        deaf.store(true, Ordering::Relaxed);
        // Who has read the output drops it, which cannot be told any more.
        drop(output.expect("opened"));
        client.commands.closed().await;
        let mut far_status = far_status;
        far_status.write_all(b"status").await.expect("written");
        far_status.shutdown().await.expect("shut down");
        let mut received = Vec::new();
        status.expect("opened").read_to_end(&mut received).await.expect("read");
        assert_eq!(received, b"status");
        client.close().await;
    }

    #[tokio::test]
    async fn a_lost_connection_ends_everything() {
        let (near, far) = tokio::io::duplex(1000);
        let client = Session::start(near, Role::Client);
        drop(far);
        assert_eq!(client.open(kind("data")).await.err(), Some(SessionError::Closed));
        assert!(client.accept().await.is_none());
        client.closed().await;
    }
}
