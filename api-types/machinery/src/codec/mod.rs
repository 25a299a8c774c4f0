//! Forms in which objects travel and rest.

pub mod cbor;
pub mod json;
pub mod protobuf;
pub mod yaml;
