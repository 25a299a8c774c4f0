//! Answers of the server.

use std::io;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// A body: whole, or growing while it is sent.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub type Reply = Response<Body>;

/// Why there is no other answer, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status.
    pub status: StatusCode,
    /// Text.
    pub message: String,
}

impl Refusal {
    /// A refusal with its words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }

    /// The answer it is.
    pub fn reply(self) -> Reply {
        text(self.status, self.message)
    }
}

/// A whole body of some content type.
pub fn typed(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Reply {
    let body = Full::new(content.into()).map_err(|never| match never {}).boxed_unsync();
    with_type(status, content_type, body)
}

/// Plain text; errors are given so.
pub fn text(status: StatusCode, content: impl Into<String>) -> Reply {
    typed(status, "text/plain; charset=utf-8", content.into())
}

/// JSON.
pub fn json(content: impl Into<Bytes>) -> Reply {
    typed(StatusCode::OK, "application/json", content)
}

/// A body that is sent as it comes; an error cuts the connection, so that the reader notices.
pub fn streamed(content_type: &'static str, pieces: mpsc::Receiver<io::Result<Bytes>>) -> Reply {
    let frames = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((piece.map(Frame::data), pieces))
    });
    with_type(StatusCode::OK, content_type, StreamBody::new(frames).boxed_unsync())
}

/// No body, as an answer that switches protocols has.
pub fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
