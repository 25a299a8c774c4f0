//! CBOR as Kubernetes speaks it (`apimachinery/pkg/runtime/serializer/cbor`): deterministic, texts as byte strings,
//! floats in the smallest width, and the self-description tag before every object.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{CborError, MAX_DEPTH, decode, decode_first};
pub use encode::{CborEncodeError, encode, encode_item};

/// The head of tag 55799, which marks data as CBOR.
pub const SELF_DESCRIBED: &[u8; 3] = b"\xd9\xd9\xf7";

/// Whether the bytes begin with the mark of CBOR.
pub fn recognizes(bytes: &[u8]) -> bool {
    bytes.starts_with(SELF_DESCRIBED)
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const FALSE: u8 = 20;
const TRUE: u8 = 21;
const NULL: u8 = 22;
const FLOAT16: u8 = 25;
const FLOAT32: u8 = 26;
const FLOAT64: u8 = 27;
const INDEFINITE: u8 = 31;
