//! Log files of containers in CRI's format: read, followed, rotated.

mod line;
mod read;
mod rotation;
mod tail;
mod watch;

pub use read::{LogError, LogOptions, LogStreams, StillWriting, read};
pub use rotation::{LogRotation, RotationError};

#[cfg(test)]
mod tests;
