//! A WebSocket as a plain stream of bytes: every message's content, one after the other.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes put into one message at most.
const MESSAGE: usize = 32 * 1024;

/// Carries any protocol over binary messages, as port-forwarding does with SPDY; for either side.
#[derive(Debug)]
pub struct WebSocketBytes<S> {
    stream: WebSocketStream<S>,
    rest: Bytes,
}

impl<S> WebSocketBytes<S> {
    /// Over an open WebSocket.
    pub fn new(stream: WebSocketStream<S>) -> WebSocketBytes<S> {
        WebSocketBytes { stream, rest: Bytes::new() }
    }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => io::ErrorKind::BrokenPipe.into(),
        other => io::Error::other(other),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => this.rest = bytes,
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::other("text message where bytes were expected")));
                }
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
            }
        }
        let take = this.rest.len().min(out.remaining());
        out.put_slice(this.rest.get(..take).unwrap_or_default());
        this.rest.advance(take);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        ready!(stream.poll_ready(cx)).map_err(to_io)?;
        let piece = bytes.get(..bytes.len().min(MESSAGE)).unwrap_or_default();
        let message = Message::Binary(Bytes::copy_from_slice(piece));
        Pin::new(&mut self.stream).start_send(message).map_err(to_io)?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(to_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_close(cx)) {
            // The other side closed first.
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome.map_err(to_io)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_whatever_the_messages() {
        let (near, far) = tokio::io::duplex(4096);
        let mut client =
            WebSocketBytes::new(WebSocketStream::from_raw_socket(near, Role::Client, None).await);
        let mut server = WebSocketBytes::new(WebSocketStream::from_raw_socket(far, Role::Server, None).await);
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let writing = tokio::spawn(async move {
            client.write_all(&sent).await.expect("written");
            client.flush().await.expect("flushed");
            client.shutdown().await.expect("closed");
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.expect("read");
        assert_eq!(received, expected);
        drop(server);
        writing.await.expect("writer");
    }
}
