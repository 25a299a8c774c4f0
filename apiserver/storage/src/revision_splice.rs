//! Putting `metadata.resourceVersion` into stored values, and taking it out, without decoding them.
//!
//! Stored values carry no resourceVersion: it is the revision of the write itself, known only afterwards.
//! Built-in kinds are `k8s\0` + `runtime.Unknown` around the object's protobuf, whose field 1 is ObjectMeta,
//! whose field 6 is the resourceVersion. Custom resources are JSON. The rest of the value is copied as is.

/// The four bytes before every protobuf value.
pub const PROTOBUF_MAGIC: &[u8; 4] = b"k8s\0";

const UNKNOWN_RAW: u32 = 2;
const OBJECT_METADATA: u32 = 1;
const META_RESOURCE_VERSION: u32 = 6;
const LENGTH_DELIMITED: u32 = 2;

/// Why a value could not be spliced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Neither of the two stored forms.
    #[error("value is neither Kubernetes protobuf nor a JSON object")]
    UnknownEncoding,
    /// The bytes end early or do not parse.
    #[error("{what} is broken at byte {offset}")]
    Broken {
        /// Which part.
        what: &'static str,
        /// Where, from the start of that part.
        offset: usize,
    },
}

/// Returns `value` with the given resourceVersion; an empty one removes it.
pub fn with_resource_version(value: &[u8], resource_version: &str) -> Result<Vec<u8>, SpliceError> {
    if let Some(envelope) = value.strip_prefix(PROTOBUF_MAGIC) {
        splice_envelope(envelope, resource_version)
    } else if value.trim_ascii_start().first() == Some(&b'{') {
        splice_json(value, resource_version)
    } else {
        Err(SpliceError::UnknownEncoding)
    }
}

/// One protobuf field: the whole of it (tag included) and, when length-delimited, its content.
struct Field {
    number: u32,
    start: usize,
    content: Option<(usize, usize)>,
    end: usize,
}

fn splice_envelope(envelope: &[u8], resource_version: &str) -> Result<Vec<u8>, SpliceError> {
    let raw = find(envelope, UNKNOWN_RAW, "envelope")?;
    let (raw_start, raw_end) = raw
        .as_ref()
        .and_then(|field| field.content)
        .ok_or(SpliceError::Broken { what: "envelope", offset: 0 })?;
    let object = &envelope[raw_start..raw_end];
    let metadata = find(object, OBJECT_METADATA, "object")?;
    let (meta_start, meta_end) = metadata.as_ref().and_then(|field| field.content).unwrap_or((0, 0));
    let meta = &object[meta_start..meta_end];

    // Where the new field goes: in place of the old one, else before the first field with a higher number.
    let mut cut = (meta.len(), meta.len());
    let mut position = 0;
    while let Some(field) = next_field(meta, position, "metadata")? {
        if field.number == META_RESOURCE_VERSION {
            cut = (field.start, field.end);
            break;
        }
        if field.number > META_RESOURCE_VERSION {
            cut = (field.start, field.start);
            break;
        }
        position = field.end;
    }
    let mut version_field = Vec::with_capacity(resource_version.len() + 2);
    push_tag(&mut version_field, META_RESOURCE_VERSION);
    push_varint(&mut version_field, resource_version.len() as u64);
    version_field.extend_from_slice(resource_version.as_bytes());

    let meta_len = meta.len() - (cut.1 - cut.0) + version_field.len();
    let (meta_field_start, meta_field_end) =
        metadata.as_ref().map_or((0, 0), |field| (field.start, field.end));
    let object_len =
        object.len() - (meta_field_end - meta_field_start) + 1 + varint_len(meta_len as u64) + meta_len;
    let (raw_field_start, raw_field_end) = raw.map_or((0, 0), |field| (field.start, field.end));
    let total = PROTOBUF_MAGIC.len() + envelope.len() - (raw_field_end - raw_field_start)
        + 1
        + varint_len(object_len as u64)
        + object_len;

    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(PROTOBUF_MAGIC);
    out.extend_from_slice(&envelope[..raw_field_start]);
    push_tag(&mut out, UNKNOWN_RAW);
    push_varint(&mut out, object_len as u64);
    out.extend_from_slice(&object[..meta_field_start]);
    push_tag(&mut out, OBJECT_METADATA);
    push_varint(&mut out, meta_len as u64);
    out.extend_from_slice(&meta[..cut.0]);
    out.extend_from_slice(&version_field);
    out.extend_from_slice(&meta[cut.1..]);
    out.extend_from_slice(&object[meta_field_end..]);
    out.extend_from_slice(&envelope[raw_field_end..]);
    debug_assert_eq!(out.len(), total);
    Ok(out)
}

fn find(bytes: &[u8], number: u32, what: &'static str) -> Result<Option<Field>, SpliceError> {
    let mut position = 0;
    while let Some(field) = next_field(bytes, position, what)? {
        if field.number == number {
            return Ok(Some(field));
        }
        position = field.end;
    }
    Ok(None)
}

fn next_field(bytes: &[u8], start: usize, what: &'static str) -> Result<Option<Field>, SpliceError> {
    if start >= bytes.len() {
        return Ok(None);
    }
    let broken = |offset| SpliceError::Broken { what, offset };
    let (tag, after_tag) = read_varint(bytes, start).ok_or(broken(start))?;
    let number = u32::try_from(tag >> 3).map_err(|_| broken(start))?;
    let (content, end) = match (tag & 7) as u32 {
        0 => (None, read_varint(bytes, after_tag).ok_or(broken(after_tag))?.1),
        1 => (None, after_tag + 8),
        5 => (None, after_tag + 4),
        LENGTH_DELIMITED => {
            let (length, content) = read_varint(bytes, after_tag).ok_or(broken(after_tag))?;
            let length = usize::try_from(length).map_err(|_| broken(after_tag))?;
            let end = content.checked_add(length).ok_or(broken(after_tag))?;
            (Some((content, end)), end)
        }
        _ => return Err(broken(start)),
    };
    if end > bytes.len() {
        return Err(broken(start));
    }
    Ok(Some(Field { number, start, content, end }))
}

fn read_varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(start..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, start + index + 1));
        }
    }
    None
}

fn push_tag(out: &mut Vec<u8>, number: u32) {
    out.push((number << 3 | LENGTH_DELIMITED) as u8);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Finds `metadata` at the top level and `resourceVersion` in it, skipping everything else.
fn splice_json(value: &[u8], resource_version: &str) -> Result<Vec<u8>, SpliceError> {
    let quoted = format!("\"{resource_version}\"");
    let top = Members::of(value, 0)?;
    let mut metadata = None;
    let mut members = top;
    let mut first_member = None;
    while let Some(member) = members.next_member()? {
        first_member.get_or_insert(member.key_start);
        if member.key == b"metadata" {
            metadata = Some(member.value);
            break;
        }
    }
    let Some((meta_start, _)) = metadata else {
        let object = format!("\"metadata\":{{\"resourceVersion\":{quoted}}}");
        let object_start = value.iter().position(|byte| *byte == b'{').unwrap_or(0) + 1;
        let comma = if first_member.is_some() { "," } else { "" };
        return Ok(
            [&value[..object_start], object.as_bytes(), comma.as_bytes(), &value[object_start..]].concat()
        );
    };
    let mut members = Members::of(value, meta_start)?;
    let mut before = None;
    let mut empty = true;
    while let Some(member) = members.next_member()? {
        empty = false;
        if member.key == b"resourceVersion" {
            return Ok([&value[..member.value.0], quoted.as_bytes(), &value[member.value.1..]].concat());
        }
        if before.is_none() && member.key > b"resourceVersion".as_slice() {
            before = Some(member.key_start);
        }
    }
    let text = match (before, empty) {
        (Some(_), _) => format!("\"resourceVersion\":{quoted},"),
        (None, true) => format!("\"resourceVersion\":{quoted}"),
        (None, false) => format!(",\"resourceVersion\":{quoted}"),
    };
    let position = before.unwrap_or(members.position);
    Ok([&value[..position], text.as_bytes(), &value[position..]].concat())
}

/// Walks the members of one JSON object. After the last one, `position` is at its closing brace.
struct Members<'a> {
    bytes: &'a [u8],
    position: usize,
    first: bool,
}

struct Member<'a> {
    key: &'a [u8],
    key_start: usize,
    value: (usize, usize),
}

impl<'a> Members<'a> {
    fn of(bytes: &'a [u8], start: usize) -> Result<Self, SpliceError> {
        let position = skip_space(bytes, start);
        match bytes.get(position) {
            Some(b'{') => Ok(Members { bytes, position: position + 1, first: true }),
            _ => Err(broken_json(position)),
        }
    }

    fn next_member(&mut self) -> Result<Option<Member<'a>>, SpliceError> {
        let mut position = skip_space(self.bytes, self.position);
        match self.bytes.get(position) {
            Some(b'}') => {
                self.position = position;
                return Ok(None);
            }
            Some(b',') if !self.first => position = skip_space(self.bytes, position + 1),
            _ if self.first => {}
            _ => return Err(broken_json(position)),
        }
        self.first = false;
        let key_end = skip_string(self.bytes, position)?;
        let colon = skip_space(self.bytes, key_end);
        if self.bytes.get(colon) != Some(&b':') {
            return Err(broken_json(colon));
        }
        let value_start = skip_space(self.bytes, colon + 1);
        let value_end = skip_value(self.bytes, value_start)?;
        self.position = value_end;
        Ok(Some(Member {
            key: &self.bytes[position + 1..key_end - 1],
            key_start: position,
            value: (value_start, value_end),
        }))
    }
}

fn broken_json(offset: usize) -> SpliceError {
    SpliceError::Broken { what: "JSON", offset }
}

fn skip_space(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// `start` is at the opening quote; returns the position after the closing one.
fn skip_string(bytes: &[u8], start: usize) -> Result<usize, SpliceError> {
    if bytes.get(start) != Some(&b'"') {
        return Err(broken_json(start));
    }
    let mut position = start + 1;
    loop {
        let rest = bytes.get(position..).unwrap_or_default();
        let found = memchr::memchr2(b'"', b'\\', rest).ok_or(broken_json(start))?;
        position += found;
        match bytes[position] {
            b'"' => return Ok(position + 1),
            _ => position += 2,
        }
    }
}

fn skip_value(bytes: &[u8], start: usize) -> Result<usize, SpliceError> {
    match bytes.get(start) {
        Some(b'"') => skip_string(bytes, start),
        Some(b'{' | b'[') => {
            let mut depth = 0usize;
            let mut position = start;
            loop {
                match bytes.get(position) {
                    None => return Err(broken_json(position)),
                    Some(b'"') => {
                        position = skip_string(bytes, position)?;
                        continue;
                    }
                    Some(b'{' | b'[') => depth += 1,
                    Some(b'}' | b']') => depth -= 1,
                    Some(_) => {}
                }
                position += 1;
                if depth == 0 {
                    return Ok(position);
                }
            }
        }
        Some(_) => {
            let rest = &bytes[start..];
            let length = rest
                .iter()
                .take_while(|byte| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace())
                .count();
            if length == 0 { Err(broken_json(start)) } else { Ok(start + length) }
        }
        None => Err(broken_json(start)),
    }
}

#[cfg(test)]
mod tests;
