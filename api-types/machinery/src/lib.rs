//! The machinery of the Kubernetes API: pure code about metadata, codecs, patches, selectors and errors.
//!
//! Nothing here performs I/O or reads a clock.

extern crate self as machinery;

pub mod codec;
pub mod field;
pub mod field_codec;
pub mod group;
mod int_or_string;
pub mod message;
pub mod meta;
pub mod names;
pub mod object;
pub mod patch;
#[cfg(test)]
mod properties;
pub mod quantity;
pub mod quote;
mod raw;
pub mod schema;
pub mod selectors;
pub mod status;
pub mod table;
pub mod time;
pub mod wire;

pub use group::{GroupKind, GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource};
pub use int_or_string::IntOrString;
pub use message::{DecodeError, Message, Resource};
pub use quantity::Quantity;
pub use raw::{RawExtension, RawJson};
pub use time::{Duration, MicroTime, Time};
