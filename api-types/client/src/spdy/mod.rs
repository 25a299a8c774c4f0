//! SPDY/3.1, the framing of exec, attach and port-forward towards older peers.
//!
//! [`codec`] performs no I/O: bytes in, frames out. [`session`] runs it over any byte stream, on either
//! side. Peers of Kubernetes use no flow-control windows (upstream's library neither counts nor updates
//! them); back-pressure is that of the connection underneath.

pub mod codec;
mod dictionary;
pub mod session;

pub use codec::{Decoder, Encoder, Frame, Headers, Role, SpdyError};
pub use session::{Session, Stream};
