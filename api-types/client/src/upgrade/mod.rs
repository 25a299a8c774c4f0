//! Requests that become two-way streams: exec, attach and port-forward.
//!
//! All go over WebSocket: commands by `v5.channel.k8s.io` (or `v4`), port-forwarding by SPDY/3.1 inside
//! of it.

mod handshake;
pub mod port_forward;
pub mod remote_command;
pub mod websocket;

pub use handshake::{Upgraded, tunnel, websocket as open_websocket};
pub use port_forward::PortForward;
pub use remote_command::{Command, RemoteProcess, TerminalSize};
pub use websocket::WebSocketBytes;
