//! JSON values to CBOR, by the core deterministic rules of RFC 8949.

use serde_json::{Map, Number, Value};

use super::{
    ARRAY, BYTES, FALSE, FLOAT16, FLOAT32, FLOAT64, MAP, NEGATIVE, NULL, SELF_DESCRIBED, SIMPLE, TRUE,
    UNSIGNED,
};

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborEncodeError {
    /// The number is neither a 64-bit integer nor a finite float.
    #[error("number {0} has no CBOR form: only 64-bit integers and finite floats do")]
    Number(String),
}

/// An object, with the self-description tag before it.
///
/// # Errors
/// For a number that is neither a 64-bit integer nor a finite float.
pub fn encode(value: &Value) -> Result<Vec<u8>, CborEncodeError> {
    let mut out = SELF_DESCRIBED.to_vec();
    put(&mut out, value)?;
    Ok(out)
}

/// A value without the tag, as parts of a stream are.
///
/// # Errors
/// As [`encode`].
pub fn encode_item(value: &Value) -> Result<Vec<u8>, CborEncodeError> {
    let mut out = Vec::new();
    put(&mut out, value)?;
    Ok(out)
}

fn put(out: &mut Vec<u8>, value: &Value) -> Result<(), CborEncodeError> {
    match value {
        Value::Null => out.push(SIMPLE << 5 | NULL),
        Value::Bool(value) => out.push(SIMPLE << 5 | if *value { TRUE } else { FALSE }),
        Value::Number(number) => put_number(out, number)?,
        Value::String(text) => put_text(out, text),
        Value::Array(items) => {
            put_head(out, ARRAY, items.len() as u64);
            items.iter().try_for_each(|item| put(out, item))?;
        }
        Value::Object(map) => put_map(out, map)?,
    }
    Ok(())
}

/// Entries sorted by the bytes of their encoded keys.
fn put_map(out: &mut Vec<u8>, map: &Map<String, Value>) -> Result<(), CborEncodeError> {
    put_head(out, MAP, map.len() as u64);
    let mut entries: Vec<(Vec<u8>, &Value)> = map
        .iter()
        .map(|(key, value)| {
            let mut encoded = Vec::with_capacity(key.len() + 2);
            put_text(&mut encoded, key);
            (encoded, value)
        })
        .collect();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries.into_iter().try_for_each(|(key, value)| {
        out.extend_from_slice(&key);
        put(out, value)
    })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_head(out, BYTES, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Major type and argument, in the shortest form.
fn put_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    if argument < 24 {
        out.push(major | argument as u8);
    } else if let Ok(argument) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 24, argument]);
    } else if let Ok(argument) = u16::try_from(argument) {
        out.push(major | 25);
        out.extend_from_slice(&argument.to_be_bytes());
    } else if let Ok(argument) = u32::try_from(argument) {
        out.push(major | 26);
        out.extend_from_slice(&argument.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&argument.to_be_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, number: &Number) -> Result<(), CborEncodeError> {
    if let Some(value) = number.as_u64() {
        put_head(out, UNSIGNED, value);
    } else if let Some(value) = number.as_i64() {
        // A negative number n is written as −1 − n, which is its complement.
        put_head(out, NEGATIVE, !value as u64);
    } else if let Some(value) = number.as_f64().filter(|value| value.is_finite()) {
        put_float(out, value);
    } else {
        return Err(CborEncodeError::Number(number.to_string()));
    }
    Ok(())
}

/// The smallest width which keeps the value.
fn put_float(out: &mut Vec<u8>, value: f64) {
    let single = value as f32;
    if f64::from(single) != value {
        out.push(SIMPLE << 5 | FLOAT64);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Some(half) = to_half(single) {
        out.push(SIMPLE << 5 | FLOAT16);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        out.push(SIMPLE << 5 | FLOAT32);
        out.extend_from_slice(&single.to_be_bytes());
    }
}

/// The bits of a 16-bit float, when it can hold the value.
fn to_half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x007f_ffff;
    if value == 0.0 {
        return Some(sign);
    }
    if (-14..=15).contains(&exponent) && fraction & 0x1fff == 0 {
        return Some(sign | ((exponent + 15) as u16) << 10 | (fraction >> 13) as u16);
    }
    // Below the normal range the leading one becomes part of the fraction, in units of 2^-24.
    if (-24..-14).contains(&exponent) {
        let dropped = (-1 - exponent) as u32;
        let full = fraction | 0x0080_0000;
        if full.trailing_zeros() >= dropped {
            return Some(sign | (full >> dropped) as u16);
        }
    }
    None
}
