//! Protobuf bytes to JSON text, in Go's field order and with Go's escapes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scan::{Kind, Scanner};
use crate::int_or_string::IntOrString;
use crate::raw::RawJson;
use crate::schema::{Field, Label, Message, SchemaOr, Type};
use crate::time::{Duration, MicroTime, Time};
use crate::wire::{BYTES, FIXED64, MAX_DEPTH, Reader, VARINT, WireError};

/// JSON of `protobuf`; `kind` is `(apiVersion, kind)`, written first as upstream does.
///
/// # Panics
/// Never for bytes written by this crate; stored bytes go through [`try_encode`].
pub fn encode(schema: &'static Message, protobuf: &[u8], kind: Option<(&str, &str)>) -> Vec<u8> {
    try_encode(schema, protobuf, kind).expect("bytes written by this crate are well-formed")
}

/// JSON of `protobuf`; bytes that are not well-formed are an error.
pub fn try_encode(
    schema: &'static Message,
    protobuf: &[u8],
    kind: Option<(&str, &str)>,
) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(protobuf.len() * 2);
    out.push(b'{');
    if let Some((api_version, kind)) = kind {
        out.extend_from_slice(b"\"kind\":");
        write_string(&mut out, kind);
        out.extend_from_slice(b",\"apiVersion\":");
        write_string(&mut out, api_version);
    }
    fields(schema, protobuf, &mut out, 0)?;
    out.push(b'}');
    Ok(out)
}

/// One field's value as found on the wire.
#[derive(Clone, Copy)]
enum Raw<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

fn object(schema: &'static Message, bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Depth);
    }
    out.push(b'{');
    fields(schema, bytes, out, depth)?;
    out.push(b'}');
    Ok(())
}

/// Writes the members of an object, without its braces.
fn fields(schema: &'static Message, bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), WireError> {
    let mut found: Vec<(u32, Raw<'_>)> = Vec::with_capacity(schema.fields.len());
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag()? {
        let raw = match wire {
            VARINT => Raw::Varint(reader.varint()?),
            FIXED64 => Raw::Fixed(reader.fixed64()?),
            BYTES => Raw::Bytes(reader.bytes()?),
            _ => {
                reader.skip(wire)?;
                continue;
            }
        };
        found.push((number, raw));
    }
    let sorted = found.is_sorted_by_key(|(number, _)| *number);
    if !sorted {
        found.sort_by_key(|(number, _)| *number);
    }
    for field in schema.fields {
        let from = found.partition_point(|(number, _)| *number < field.number);
        let to = from + found[from..].partition_point(|(number, _)| *number == field.number);
        member(field, &found[from..to], out, depth)?;
    }
    Ok(())
}

fn member(
    field: &'static Field,
    found: &[(u32, Raw<'_>)],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WireError> {
    if let (true, Type::Message(inner)) = (field.is_inline(), field.ty) {
        let bytes = match found.last() {
            Some((_, Raw::Bytes(bytes))) => bytes,
            _ => &[][..],
        };
        return fields(inner, bytes, out, depth + 1);
    }
    let mark = out.len();
    if !matches!(out.last(), None | Some(b'{')) {
        out.push(b',');
    }
    write_string(out, field.name);
    out.push(b':');
    let value = out.len();
    match field.label {
        Label::Map => map(field, found, out, depth)?,
        Label::Repeated if found.is_empty() => {}
        Label::Repeated => {
            out.push(b'[');
            for (index, (_, raw)) in found.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                one(field, *raw, out, depth)?;
            }
            out.push(b']');
        }
        Label::Single => match found.last() {
            // A list wrapped in a message is nil only when the message is absent.
            Some((_, raw)) => one(field, *raw, out, depth)?,
            None if field.is_pointer() => {}
            None => absent(field, out, depth)?,
        },
    }
    if out.len() == value {
        // nothing was written: nil
        if field.is_omitempty() {
            out.truncate(mark);
        } else {
            out.extend_from_slice(b"null");
        }
    } else if field.is_omitempty() && !field.is_pointer() && field.label == Label::Single {
        let empty = match field.ty {
            Type::String | Type::Bytes => &out[value..] == b"\"\"",
            Type::Int32 | Type::Int64 | Type::Double => &out[value..] == b"0",
            Type::Bool => &out[value..] == b"false",
            Type::StringList => &out[value..] == b"[]",
            _ => field.is_omitzero() && &out[value..] == b"null",
        };
        if empty {
            out.truncate(mark);
        }
    }
    Ok(())
}

/// The zero value of a field that is not a pointer and not on the wire.
fn absent(field: &'static Field, out: &mut Vec<u8>, depth: usize) -> Result<(), WireError> {
    match field.ty {
        Type::Bytes | Type::StringList | Type::SchemaOr(..) => Ok(()),
        Type::Double => one(field, Raw::Fixed(0), out, depth),
        Type::Int32 | Type::Int64 | Type::Bool => one(field, Raw::Varint(0), out, depth),
        _ => one(field, Raw::Bytes(&[]), out, depth),
    }
}

fn map(
    field: &'static Field,
    found: &[(u32, Raw<'_>)],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WireError> {
    if found.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::with_capacity(found.len());
    for (_, raw) in found {
        let Raw::Bytes(bytes) = raw else { continue };
        let (mut key, mut value) = ("", None);
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.tag()? {
            match (number, wire) {
                (1, BYTES) => key = reader.expect_str(wire)?,
                (2, VARINT) => value = Some(Raw::Varint(reader.varint()?)),
                (2, FIXED64) => value = Some(Raw::Fixed(reader.fixed64()?)),
                (2, BYTES) => value = Some(Raw::Bytes(reader.bytes()?)),
                _ => reader.skip(wire)?,
            }
        }
        entries.push((key, value));
    }
    entries.sort_by_key(|(key, _)| *key);
    out.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        match value {
            Some(raw) => one(field, *raw, out, depth)?,
            None => absent(field, out, depth)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn one(field: &'static Field, raw: Raw<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), WireError> {
    let mut integers = itoa::Buffer::new();
    match (field.ty, raw) {
        (Type::Int32, Raw::Varint(value)) => {
            out.extend_from_slice(integers.format(value as i32).as_bytes());
        }
        (Type::Int64, Raw::Varint(value)) => {
            out.extend_from_slice(integers.format(value as i64).as_bytes());
        }
        (Type::Bool, Raw::Varint(value)) => {
            out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
        }
        (Type::Double, Raw::Fixed(bits)) => write_double(out, f64::from_bits(bits)),
        (Type::String, Raw::Bytes(bytes)) => {
            write_string(out, std::str::from_utf8(bytes).map_err(|_| WireError::Utf8(0))?);
        }
        (Type::Bytes, Raw::Bytes(bytes)) => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        (Type::Time, Raw::Bytes(bytes)) => {
            let mut time = Time::default();
            time.merge(bytes)?;
            write_instant(out, time.is_zero(), &time);
        }
        (Type::MicroTime, Raw::Bytes(bytes)) => {
            let mut time = MicroTime::default();
            time.merge(bytes)?;
            write_instant(out, time.is_zero(), &time);
        }
        (Type::Duration, Raw::Bytes(bytes)) => {
            let mut duration = Duration::default();
            duration.merge(bytes)?;
            write_string(out, &duration.to_string());
        }
        (Type::Quantity, Raw::Bytes(bytes)) => {
            let mut text = "";
            let mut reader = Reader::new(bytes);
            while let Some((number, wire)) = reader.tag()? {
                match number {
                    1 => text = reader.expect_str(wire)?,
                    _ => reader.skip(wire)?,
                }
            }
            write_string(out, if text.is_empty() { "0" } else { text });
        }
        (Type::IntOrString, Raw::Bytes(bytes)) => {
            let mut value = IntOrString::default();
            value.merge(bytes)?;
            match value {
                IntOrString::Int(number) => out.extend_from_slice(integers.format(number).as_bytes()),
                IntOrString::String(text) => write_string(out, &text),
            }
        }
        (Type::RawExtension | Type::RawJson, Raw::Bytes(bytes)) => {
            let mut raw = RawJson::default();
            raw.merge(bytes)?;
            // Stored bytes that are not JSON cannot be shown; null keeps the document valid.
            if raw.raw.is_empty() || compact(&raw.raw, out).is_err() {
                out.extend_from_slice(b"null");
            }
        }
        (Type::StringList, Raw::Bytes(bytes)) => string_list(bytes, out)?,
        (Type::SchemaOr(form, schema), Raw::Bytes(bytes)) => schema_or(form, schema, bytes, out, depth)?,
        (Type::Message(schema), Raw::Bytes(bytes)) => object(schema, bytes, out, depth + 1)?,
        (_, Raw::Varint(_)) => return Err(WireError::WireType { wire: VARINT, at: 0 }),
        (_, Raw::Fixed(_)) => return Err(WireError::WireType { wire: FIXED64, at: 0 }),
        (_, Raw::Bytes(_)) => return Err(WireError::WireType { wire: BYTES, at: 0 }),
    }
    Ok(())
}

fn write_instant(out: &mut Vec<u8>, zero: bool, time: &dyn std::fmt::Display) {
    if zero {
        out.extend_from_slice(b"null");
    } else {
        out.extend_from_slice(format!("\"{time}\"").as_bytes());
    }
}

fn string_list(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    out.push(b'[');
    let mut reader = Reader::new(bytes);
    let mut first = true;
    while let Some((number, wire)) = reader.tag()? {
        if number != 1 {
            reader.skip(wire)?;
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_string(out, reader.expect_str(wire)?);
    }
    out.push(b']');
    Ok(())
}

fn schema_or(
    form: SchemaOr,
    schema: &'static Message,
    bytes: &[u8],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WireError> {
    let (mut allows, mut single, mut items) = (false, None, Vec::new());
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.tag()? {
        match (form, number, wire) {
            (SchemaOr::Bool, 1, VARINT) => allows = reader.varint()? != 0,
            (SchemaOr::Bool, 2, BYTES) | (SchemaOr::Array | SchemaOr::StringArray, 1, BYTES) => {
                single = Some(reader.bytes()?);
            }
            (SchemaOr::Array | SchemaOr::StringArray, 2, BYTES) => items.push(reader.bytes()?),
            _ => reader.skip(wire)?,
        }
    }
    if let (Some(bytes), true) = (single, items.is_empty()) {
        return object(schema, bytes, out, depth + 1);
    }
    match form {
        SchemaOr::Bool => out.extend_from_slice(if allows { b"true" } else { b"false" }),
        SchemaOr::Array | SchemaOr::StringArray => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match form {
                    SchemaOr::Array => object(schema, item, out, depth + 1)?,
                    _ => write_string(out, std::str::from_utf8(item).map_err(|_| WireError::Utf8(0))?),
                }
            }
            out.push(b']');
        }
    }
    Ok(())
}

/// Writes a JSON string with Go's escapes, HTML characters included.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            8 => b"\\b",
            12 => b"\\f",
            0..=0x1f | b'<' | b'>' | b'&' => {
                &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
            }
            // U+2028 and U+2029 end lines in JavaScript.
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => {
                out.extend_from_slice(&bytes[from..at]);
                out.extend_from_slice(if bytes[at + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                from = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Go's form of a float: plain between 1e-6 and 1e21, else with an exponent.
fn write_double(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    let text = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        }
    } else {
        format!("{value}")
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends JSON text without white space, HTML characters escaped.
pub fn compact(text: &[u8], out: &mut Vec<u8>) -> Result<(), super::JsonError> {
    let mark = out.len();
    let mut scan = Scanner::new(text);
    let done = reformat(&mut scan, out, None, 0).and_then(|()| scan.end());
    if done.is_err() {
        out.truncate(mark);
    }
    done
}

/// JSON text indented by two spaces, as upstream answers to `?pretty=true` and to browsers.
pub fn pretty(text: &[u8]) -> Result<Vec<u8>, super::JsonError> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut scan = Scanner::new(text);
    reformat(&mut scan, &mut out, Some(0), 0)?;
    scan.end()?;
    Ok(out)
}

fn reformat(
    scan: &mut Scanner<'_>,
    out: &mut Vec<u8>,
    indent: Option<usize>,
    depth: usize,
) -> Result<(), super::JsonError> {
    if depth > super::scan::MAX_DEPTH {
        return Err(super::JsonError::Depth);
    }
    let inner = indent.map(|level| level + 1);
    let line = |out: &mut Vec<u8>, level: Option<usize>| {
        if let Some(level) = level {
            out.push(b'\n');
            out.resize(out.len() + level * 2, b' ');
        }
    };
    match scan.peek()? {
        Kind::Object => {
            scan.take(b'{');
            out.push(b'{');
            let mut first = true;
            while scan.next_member(first)? {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                line(out, inner);
                let key = scan.key()?;
                write_string(out, &key);
                out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
                reformat(scan, out, inner, depth + 1)?;
            }
            if !first {
                line(out, indent);
            }
            out.push(b'}');
        }
        Kind::Array => {
            scan.take(b'[');
            out.push(b'[');
            let mut first = true;
            while scan.next_element(first)? {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                line(out, inner);
                reformat(scan, out, inner, depth + 1)?;
            }
            if !first {
                line(out, indent);
            }
            out.push(b']');
        }
        Kind::String => {
            let text = scan.string()?;
            write_string(out, &text);
        }
        Kind::Number => out.extend_from_slice(scan.number()?.as_bytes()),
        Kind::Bool | Kind::Null => out.extend_from_slice(match scan.literal()? {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        }),
    }
    Ok(())
}
