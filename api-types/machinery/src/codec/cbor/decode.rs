//! CBOR to JSON values. Other writers' freedoms are accepted (text strings, indefinite lengths, tags), what JSON
//! cannot say is refused.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Number, Value};

use super::{
    ARRAY, BYTES, FALSE, FLOAT16, FLOAT32, FLOAT64, INDEFINITE, MAP, NEGATIVE, NULL, SIMPLE, TAG, TEXT, TRUE,
    UNSIGNED,
};

/// Greatest depth of maps, lists and tags.
pub const MAX_DEPTH: usize = 128;

/// Why bytes are not CBOR, or not CBOR that JSON can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The data ends within an item.
    #[error("cbor: unexpected end of data at byte {0}")]
    End(usize),
    /// Something follows the item.
    #[error("cbor: {0} bytes of extraneous data after the item")]
    Trailing(usize),
    /// The bytes break the rules of CBOR.
    #[error("cbor: malformed data at byte {position}: {reason}")]
    Malformed {
        /// Where.
        position: usize,
        /// Which rule.
        reason: &'static str,
    },
    /// The bytes are CBOR which has no JSON form.
    #[error("cbor: unacceptable data at byte {position}: {reason}")]
    Unacceptable {
        /// Where.
        position: usize,
        /// Why.
        reason: &'static str,
    },
    /// A key occurs twice in a map.
    #[error("cbor: found duplicate map key {} at byte {position}", crate::quote::go_quote(.key))]
    DuplicateKey {
        /// Where.
        position: usize,
        /// The key.
        key: String,
    },
}

/// Reads one item, which must be all of the data.
///
/// # Errors
/// When the data is not one acceptable item.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    let (value, rest) = decode_first(bytes)?;
    if rest.is_empty() { Ok(value) } else { Err(CborError::Trailing(rest.len())) }
}

/// Reads the first item and gives back what follows it.
///
/// # Errors
/// When the data does not begin with an acceptable item. [`CborError::End`] says that more data may help.
pub fn decode_first(bytes: &[u8]) -> Result<(Value, &[u8]), CborError> {
    let mut reader = Reader { bytes, position: 0 };
    let value = reader.item(0)?;
    Ok((value, &bytes[reader.position..]))
}

struct Reader<'b> {
    bytes: &'b [u8],
    position: usize,
}

/// Major type, additional information, argument. The argument of an indefinite length is nothing.
struct Head {
    major: u8,
    info: u8,
    argument: Option<u64>,
}

impl<'b> Reader<'b> {
    fn malformed<T>(&self, reason: &'static str) -> Result<T, CborError> {
        Err(CborError::Malformed { position: self.position, reason })
    }

    fn unacceptable<T>(&self, reason: &'static str) -> Result<T, CborError> {
        Err(CborError::Unacceptable { position: self.position, reason })
    }

    fn take(&mut self, count: u64) -> Result<&'b [u8], CborError> {
        let count = usize::try_from(count).map_err(|_| CborError::End(self.bytes.len()))?;
        let end = self.position.checked_add(count).filter(|end| *end <= self.bytes.len());
        let taken = end.and_then(|end| self.bytes.get(self.position..end));
        let taken = taken.ok_or(CborError::End(self.bytes.len()))?;
        self.position += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CborError> {
        self.take(1).map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    fn number(&mut self, width: u64) -> Result<u64, CborError> {
        Ok(self.take(width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let first = self.byte()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.number(1 << (info - 24))?),
            INDEFINITE => None,
            _ => return self.malformed("reserved additional information"),
        };
        Ok(Head { major, info, argument })
    }

    fn item(&mut self, depth: usize) -> Result<Value, CborError> {
        if depth > MAX_DEPTH {
            return self.unacceptable("nested too deep");
        }
        let head = self.head()?;
        match (head.major, head.argument) {
            (UNSIGNED, Some(value)) => match i64::try_from(value) {
                Ok(value) => Ok(Value::from(value)),
                Err(_) => self.unacceptable("integer overflows 64 signed bits"),
            },
            (NEGATIVE, Some(value)) => match i64::try_from(value) {
                Ok(value) => Ok(Value::from(!value)),
                Err(_) => self.unacceptable("integer overflows 64 signed bits"),
            },
            (BYTES | TEXT, length) => {
                let bytes = self.string(head.major, length)?;
                self.text(bytes).map(Value::String)
            }
            (ARRAY, length) => self.list(length, depth),
            (MAP, length) => self.map(length, depth),
            (TAG, Some(tag)) => self.tagged(tag, depth),
            (SIMPLE, argument) => self.simple(head.info, argument),
            _ => self.malformed("a length is needed here"),
        }
    }

    /// The bytes of a string, whole or in chunks.
    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, CborError> {
        if let Some(length) = length {
            return Ok(self.take(length)?.to_vec());
        }
        let mut bytes = Vec::new();
        while !self.ends()? {
            let head = self.head()?;
            match head.argument {
                Some(length) if head.major == major => bytes.extend_from_slice(self.take(length)?),
                _ => return self.malformed("chunk of another type in a string"),
            }
        }
        Ok(bytes)
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, CborError> {
        String::from_utf8(bytes).or_else(|_| self.unacceptable("string is not UTF-8"))
    }

    /// Steps over the end of something of indefinite length, when it is here.
    fn ends(&mut self) -> Result<bool, CborError> {
        let here = self.bytes.get(self.position).ok_or(CborError::End(self.bytes.len()))?;
        let ends = *here == 0xff;
        self.position += usize::from(ends);
        Ok(ends)
    }

    /// Whether there is another element; counts down a definite length.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, CborError> {
        match left {
            None => self.ends().map(|ends| !ends),
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
        }
    }

    fn list(&mut self, mut length: Option<u64>, depth: usize) -> Result<Value, CborError> {
        let mut items = Vec::new();
        while self.more(&mut length)? {
            items.push(self.item(depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, mut length: Option<u64>, depth: usize) -> Result<Value, CborError> {
        let mut map = Map::new();
        while self.more(&mut length)? {
            let position = self.position;
            let head = self.head()?;
            if !matches!(head.major, BYTES | TEXT) {
                return Err(CborError::Unacceptable { position, reason: "map key is no string" });
            }
            let key = self.string(head.major, head.argument)?;
            let key = self.text(key)?;
            let value = self.item(depth + 1)?;
            if map.insert(key.clone(), value).is_some() {
                return Err(CborError::DuplicateKey { position, key });
            }
        }
        Ok(Value::Object(map))
    }

    fn tagged(&mut self, tag: u64, depth: usize) -> Result<Value, CborError> {
        match tag {
            2 | 3 => return self.unacceptable("arbitrary-precision integer"),
            21..=23 => {
                // Binary data which a reader of text wants encoded.
                let position = self.position;
                let head = self.head()?;
                if head.major == BYTES {
                    let bytes = self.string(BYTES, head.argument)?;
                    return Ok(Value::String(match tag {
                        21 => URL_SAFE_NO_PAD.encode(bytes),
                        22 => STANDARD.encode(bytes),
                        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                    }));
                }
                self.position = position;
            }
            _ => {}
        }
        let value = self.item(depth + 1)?;
        match (tag, &value) {
            (0, Value::String(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(_) => Ok(value),
                Err(_) => self.unacceptable("tag 0 encloses no RFC 3339 timestamp"),
            },
            (0, _) => self.unacceptable("tag 0 encloses no RFC 3339 timestamp"),
            (1, Value::Number(seconds)) => self.epoch(seconds),
            (1, _) => self.unacceptable("tag 1 encloses no number"),
            _ => Ok(value),
        }
    }

    fn epoch(&self, seconds: &Number) -> Result<Value, CborError> {
        let nanos = match seconds.as_i64() {
            Some(seconds) => Some(i128::from(seconds) * 1_000_000_000),
            None => seconds.as_f64().map(|seconds| (seconds * 1e9) as i128),
        };
        let timestamp = nanos.and_then(|nanos| jiff::Timestamp::from_nanosecond(nanos).ok());
        match timestamp {
            Some(timestamp) => Ok(Value::String(timestamp.to_string())),
            None => self.unacceptable("tag 1 encloses a time out of range"),
        }
    }

    fn simple(&mut self, info: u8, argument: Option<u64>) -> Result<Value, CborError> {
        let float = match (info, argument) {
            (FALSE, _) => return Ok(Value::Bool(false)),
            (TRUE, _) => return Ok(Value::Bool(true)),
            (NULL, _) => return Ok(Value::Null),
            (FLOAT16, Some(bits)) => from_half(bits as u16),
            (FLOAT32, Some(bits)) => f64::from(f32::from_bits(bits as u32)),
            (FLOAT64, Some(bits)) => f64::from_bits(bits),
            (_, None) => return self.malformed("unexpected end of an indefinite length"),
            _ => return self.unacceptable("simple value other than true, false and null"),
        };
        match Number::from_f64(float) {
            Some(number) => Ok(Value::Number(number)),
            None => self.unacceptable("infinity or not a number"),
        }
    }
}

fn from_half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    sign * magnitude
}
