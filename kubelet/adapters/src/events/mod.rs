//! Container events: from CRI where the runtime streams them, else from containerd's own event service.
//!
//! A subscription ends when the connection does; the caller subscribes again and lists, so nothing is replayed here.

mod containerd;
mod cri;

pub use containerd::ContainerdEvents;
pub use cri::CriEvents;
