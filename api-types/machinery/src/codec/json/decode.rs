//! JSON text to protobuf bytes.
//!
//! Each message is parsed into segments on one scratch buffer, then put together in the order of
//! field numbers, with the fields that gogo-protobuf always writes (non-pointers) filled in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::JsonError;
use super::go_names::{go_message, go_type};
use super::scan::{Kind, Scanner};
use crate::quantity::Quantity;
use crate::schema::{Field, Label, Message, SchemaOr, Type};
use crate::time::{Duration, MicroTime, Time};
use crate::wire::{BYTES, FIXED64, MAX_DEPTH, VARINT, Writer, append_bytes_field, append_tag, append_varint};

/// What is done about fields that the kind does not have and fields given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// They are passed over silently.
    Ignore,
    /// They are passed over and listed in [`Decoded`].
    Report,
}

/// The outcome of [`decode`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Plain protobuf, without an envelope.
    pub protobuf: Vec<u8>,
    /// The `apiVersion` given at the top.
    pub api_version: String,
    /// The `kind` given at the top.
    pub kind: String,
    /// Paths of unknown fields, such as `spec.containers[0].imagee`.
    pub unknown: Vec<String>,
    /// Paths of fields given more than once.
    pub duplicate: Vec<String>,
}

/// Reads JSON of the kind that `schema` describes.
pub fn decode(schema: &'static Message, text: &[u8], strictness: Strictness) -> Result<Decoded, JsonError> {
    let mut decoder = Decoder {
        scan: Scanner::new(text),
        strict: strictness == Strictness::Report,
        path: Vec::new(),
        scratch: Vec::with_capacity(text.len()),
        spare: Vec::new(),
        decoded: Decoded::default(),
    };
    if decoder.scan.peek()? == Kind::Null {
        decoder.scan.literal()?;
        append_empty(schema, &mut decoder.scratch, 0);
    } else {
        decoder.message(schema, 0)?;
    }
    decoder.scan.end()?;
    decoder.decoded.protobuf = decoder.scratch;
    Ok(decoder.decoded)
}

enum Step {
    Field(&'static Message, &'static Field),
    Index(usize),
    Key(String),
}

struct Decoder<'a> {
    scan: Scanner<'a>,
    strict: bool,
    path: Vec<Step>,
    /// Encoded fields of the messages being read, innermost last.
    scratch: Vec<u8>,
    /// Where a message is put together before it replaces its segments.
    spare: Vec<u8>,
    decoded: Decoded,
}

/// The encoded form of one field, at `start..end` of the scratch buffer.
struct Segment {
    /// The struct that holds the field: the message itself or one of its inline structs.
    owner: *const Message,
    number: u32,
    start: usize,
    end: usize,
}

impl Decoder<'_> {
    /// Reads an object and leaves its protobuf on the scratch buffer.
    fn message(&mut self, schema: &'static Message, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        let found = self.scan.peek()?;
        if found != Kind::Object {
            return Err(self.type_error(found, &go_message(schema)));
        }
        self.scan.take(b'{');
        let base = self.scratch.len();
        let mut segments: Vec<Segment> = Vec::new();
        let mut seen_meta: [bool; 2] = [false; 2];
        let mut first = true;
        while self.scan.next_member(first)? {
            first = false;
            let key = self.scan.key()?;
            let Some((owner, field)) = find(schema, &key) else {
                if schema.type_meta && (key == "kind" || key == "apiVersion") {
                    self.type_meta(&key, depth, &mut seen_meta)?;
                    continue;
                }
                self.unknown_field(&key);
                self.scan.skip_value()?;
                continue;
            };
            self.path.push(Step::Field(owner, field));
            let known =
                segments.iter().position(|s| std::ptr::eq(s.owner, owner) && s.number == field.number);
            if let Some(at) = known {
                if self.strict {
                    let path = self.path_text();
                    self.decoded.duplicate.push(path);
                }
                segments.remove(at);
            }
            let start = self.scratch.len();
            if self.scan.peek()? == Kind::Null {
                self.scan.literal()?;
            } else {
                self.field(field, depth)?;
                let end = self.scratch.len();
                if end > start || known.is_some() {
                    segments.push(Segment { owner, number: field.number, start, end });
                }
            }
            self.path.pop();
        }
        let mut whole = std::mem::take(&mut self.spare);
        whole.clear();
        assemble(schema, &segments, &self.scratch, &mut whole);
        self.scratch.truncate(base);
        self.scratch.extend_from_slice(&whole);
        self.spare = whole;
        Ok(())
    }

    fn type_meta(&mut self, key: &str, depth: usize, seen: &mut [bool; 2]) -> Result<(), JsonError> {
        let found = self.scan.peek()?;
        let value = match found {
            Kind::Null => {
                self.scan.literal()?;
                String::new()
            }
            Kind::String => self.scan.string()?.into_owned(),
            _ => {
                return Err(JsonError::Type {
                    found: found.name().into(),
                    place: format!("struct field TypeMeta.{key}"),
                    want: "string".into(),
                });
            }
        };
        let slot = &mut seen[usize::from(key == "kind")];
        if std::mem::replace(slot, true) && self.strict {
            let path = join(&self.path_text(), key);
            self.decoded.duplicate.push(path);
        }
        if depth == 0 {
            if key == "kind" {
                self.decoded.kind = value;
            } else {
                self.decoded.api_version = value;
            }
        }
        Ok(())
    }

    fn unknown_field(&mut self, key: &str) {
        if self.strict {
            let path = join(&self.path_text(), key);
            self.decoded.unknown.push(path);
        }
    }

    fn field(&mut self, field: &'static Field, depth: usize) -> Result<(), JsonError> {
        match field.label {
            Label::Single => self.value(field, depth),
            Label::Repeated => self.list(field, depth),
            Label::Map => self.map(field, depth),
        }
    }

    fn list(&mut self, field: &'static Field, depth: usize) -> Result<(), JsonError> {
        let found = self.scan.peek()?;
        if found != Kind::Array {
            return Err(self.type_error(found, &format!("[]{}", go_type(field))));
        }
        self.scan.take(b'[');
        let mut index = 0;
        while self.scan.next_element(index == 0)? {
            self.path.push(Step::Index(index));
            if self.scan.peek()? == Kind::Null {
                self.scan.literal()?;
                append_zero(field, &mut self.scratch, depth);
            } else {
                self.value(field, depth)?;
            }
            self.path.pop();
            index += 1;
        }
        Ok(())
    }

    /// Entries are put in the order of their keys, as gogo-protobuf's stable marshaller does.
    fn map(&mut self, field: &'static Field, depth: usize) -> Result<(), JsonError> {
        let found = self.scan.peek()?;
        if found != Kind::Object {
            return Err(self.type_error(found, &format!("map[string]{}", go_type(field))));
        }
        self.scan.take(b'{');
        let base = self.scratch.len();
        // A map's value has field number 2 in its entry.
        let mut entries: Vec<(String, usize, usize)> = Vec::new();
        let mut first = true;
        while self.scan.next_member(first)? {
            first = false;
            let key = self.scan.key()?.into_owned();
            let start = self.scratch.len();
            self.path.push(Step::Key(key));
            if self.scan.peek()? == Kind::Null {
                self.scan.literal()?;
                append_zero_numbered(field, 2, &mut self.scratch, depth);
            } else {
                self.value_numbered(field, 2, depth)?;
            }
            if let Some(Step::Key(key)) = self.path.pop() {
                if let Some(at) = entries.iter().position(|(k, ..)| *k == key) {
                    if self.strict {
                        let path = join(&self.path_text(), &key);
                        self.decoded.duplicate.push(path);
                    }
                    entries.remove(at);
                }
                entries.push((key, start, self.scratch.len()));
            }
        }
        entries.sort();
        let mut whole = Vec::with_capacity(self.scratch.len() - base + entries.len() * 8);
        let mut entry = Vec::new();
        for (key, start, end) in entries {
            entry.clear();
            append_bytes_field(&mut entry, 1, key.as_bytes());
            entry.extend_from_slice(&self.scratch[start..end]);
            append_bytes_field(&mut whole, field.number, &entry);
        }
        self.scratch.truncate(base);
        self.scratch.extend_from_slice(&whole);
        Ok(())
    }

    fn value(&mut self, field: &'static Field, depth: usize) -> Result<(), JsonError> {
        self.value_numbered(field, field.number, depth)
    }

    /// Reads one value (not null) and leaves it on the scratch buffer under `number`.
    fn value_numbered(&mut self, field: &'static Field, number: u32, depth: usize) -> Result<(), JsonError> {
        match field.ty {
            Type::String => {
                let text = self.text(field)?;
                append_bytes_field(&mut self.scratch, number, text.as_bytes());
            }
            Type::Int32 => {
                let value = self.integer::<i32>(field)?;
                self.put_varint(number, i64::from(value) as u64);
            }
            Type::Int64 => {
                let value = self.integer::<i64>(field)?;
                self.put_varint(number, value as u64);
            }
            Type::Bool => {
                let found = self.scan.peek()?;
                match (found, self.scan_bool(found)?) {
                    (Kind::Bool, Some(truth)) => self.put_varint(number, u64::from(truth)),
                    _ => return Err(self.type_error(found, "bool")),
                }
            }
            Type::Double => {
                let found = self.scan.peek()?;
                if found != Kind::Number {
                    return Err(self.type_error(found, "float64"));
                }
                let text = self.scan.number()?;
                let value: f64 = text.parse().unwrap_or(f64::INFINITY);
                if !value.is_finite() {
                    return Err(self.number_error(text, "float64"));
                }
                append_tag(&mut self.scratch, number, FIXED64);
                self.scratch.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Type::Bytes => {
                let text = self.text(field)?;
                let bytes = STANDARD
                    .decode(text.replace(['\r', '\n'], ""))
                    .map_err(|error| JsonError::Value { message: base64_message(&error) })?;
                append_bytes_field(&mut self.scratch, number, &bytes);
            }
            Type::Time | Type::MicroTime | Type::Duration => {
                let text = self.text(field)?;
                let mut writer = Writer::default();
                write_time(field.ty, &text, &mut writer)
                    .map_err(|error| JsonError::Value { message: error.to_string() })?;
                append_bytes_field(&mut self.scratch, number, &writer.into_vec());
            }
            Type::Quantity => {
                let found = self.scan.peek()?;
                let text = match found {
                    Kind::Number => self.scan.number()?.to_owned(),
                    _ => self.text(field)?,
                };
                let quantity = Quantity::parse(&text)
                    .map_err(|error| JsonError::Value { message: error.to_string() })?;
                let mut inner = Vec::with_capacity(quantity.0.len() + 2);
                append_bytes_field(&mut inner, 1, quantity.0.as_bytes());
                append_bytes_field(&mut self.scratch, number, &inner);
            }
            Type::IntOrString => self.int_or_string(field, number)?,
            Type::RawExtension | Type::RawJson => {
                self.scan.peek()?;
                let start = self.scan.position();
                self.scan.skip_value()?;
                let raw = self.scan.slice(start, self.scan.position());
                let mut text = Vec::with_capacity(raw.len());
                super::compact(raw, &mut text)?;
                let mut inner = Vec::with_capacity(text.len() + 4);
                append_bytes_field(&mut inner, 1, &text);
                append_bytes_field(&mut self.scratch, number, &inner);
            }
            Type::StringList => {
                let inner = self.string_list(field)?;
                append_bytes_field(&mut self.scratch, number, &inner);
            }
            Type::SchemaOr(form, schema) => self.schema_or(field, form, schema, number, depth)?,
            Type::Message(schema) => {
                let start = self.scratch.len();
                self.message(schema, depth + 1)?;
                self.wrap_since(start, number);
            }
        }
        Ok(())
    }

    /// Gives the bytes since `start` a tag and a length.
    fn wrap_since(&mut self, start: usize, number: u32) {
        let length = self.scratch.len() - start;
        let mut head = Vec::with_capacity(8);
        append_tag(&mut head, number, BYTES);
        append_varint(&mut head, length as u64);
        self.scratch.splice(start..start, head);
    }

    fn put_varint(&mut self, number: u32, value: u64) {
        append_tag(&mut self.scratch, number, VARINT);
        append_varint(&mut self.scratch, value);
    }

    fn scan_bool(&mut self, found: Kind) -> Result<Option<bool>, JsonError> {
        if found == Kind::Bool { self.scan.literal() } else { Ok(None) }
    }

    fn text(&mut self, field: &'static Field) -> Result<String, JsonError> {
        let found = self.scan.peek()?;
        if found != Kind::String {
            return Err(self.type_error(found, &go_type(field)));
        }
        Ok(self.scan.string()?.into_owned())
    }

    fn integer<T: std::str::FromStr>(&mut self, field: &'static Field) -> Result<T, JsonError> {
        let found = self.scan.peek()?;
        if found != Kind::Number {
            return Err(self.type_error(found, &go_type(field)));
        }
        let text = self.scan.number()?;
        text.parse().map_err(|_| self.number_error(text, &go_type(field)))
    }

    fn int_or_string(&mut self, field: &'static Field, number: u32) -> Result<(), JsonError> {
        let found = self.scan.peek()?;
        let value = match found {
            Kind::Number => crate::IntOrString::Int(self.integer(field)?),
            Kind::String => crate::IntOrString::String(self.scan.string()?.into_owned()),
            _ => return Err(self.type_error(found, "intstr.IntOrString")),
        };
        let mut writer = Writer::default();
        value.write(&mut writer);
        append_bytes_field(&mut self.scratch, number, &writer.into_vec());
        Ok(())
    }

    fn string_list(&mut self, field: &'static Field) -> Result<Vec<u8>, JsonError> {
        let found = self.scan.peek()?;
        if found != Kind::Array {
            return Err(self.type_error(found, "[]string"));
        }
        self.scan.take(b'[');
        let mut inner = Vec::new();
        let mut first = true;
        while self.scan.next_element(first)? {
            first = false;
            append_bytes_field(&mut inner, 1, self.text(field)?.as_bytes());
        }
        Ok(inner)
    }

    fn schema_or(
        &mut self,
        field: &'static Field,
        form: SchemaOr,
        schema: &'static Message,
        number: u32,
        depth: usize,
    ) -> Result<(), JsonError> {
        let start = self.scratch.len();
        let found = self.scan.peek()?;
        match (found, form) {
            (Kind::Object, _) => {
                if form == SchemaOr::Bool {
                    self.put_varint(1, 1);
                }
                let inner = self.scratch.len();
                self.message(schema, depth + 1)?;
                self.wrap_since(inner, if form == SchemaOr::Bool { 2 } else { 1 });
            }
            (Kind::Bool, SchemaOr::Bool) => {
                let allows = self.scan.literal()?.unwrap_or(false);
                self.put_varint(1, u64::from(allows));
            }
            (Kind::Array, SchemaOr::Array | SchemaOr::StringArray) => {
                self.scan.take(b'[');
                let mut first = true;
                while self.scan.next_element(first)? {
                    first = false;
                    if form == SchemaOr::Array {
                        let inner = self.scratch.len();
                        self.message(schema, depth + 1)?;
                        self.wrap_since(inner, 2);
                    } else {
                        let text = self.text(field)?;
                        append_bytes_field(&mut self.scratch, 2, text.as_bytes());
                    }
                }
            }
            _ => return Err(self.type_error(found, &go_type(field))),
        }
        self.wrap_since(start, number);
        Ok(())
    }

    fn type_error(&self, found: Kind, want: &str) -> JsonError {
        JsonError::Type { found: found.name().into(), place: self.place(), want: want.into() }
    }

    fn number_error(&self, text: &str, want: &str) -> JsonError {
        JsonError::Type { found: format!("number {text}"), place: self.place(), want: want.into() }
    }

    /// Go names the innermost struct and the dotted path of JSON names from the top.
    fn place(&self) -> String {
        let mut owner = None;
        let mut path = String::new();
        for step in &self.path {
            if let Step::Field(message, field) = step {
                owner = Some(message.name());
                path = join(&path, field.name);
            }
        }
        owner.map_or_else(|| "value".into(), |owner| format!("struct field {owner}.{path}"))
    }

    fn path_text(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(_, field) => path = join(&path, field.name),
                Step::Key(key) => path = join(&path, key),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The struct (the message or one inline in it) and the field which JSON calls `name`.
fn find(schema: &'static Message, name: &str) -> Option<(&'static Message, &'static Field)> {
    if let Some(field) = schema.fields.iter().find(|f| f.name == name && !f.is_inline()) {
        return Some((schema, field));
    }
    schema.inline_messages().find_map(|inner| find(inner, name))
}

/// Puts a message together from its segments, in the order of field numbers.
fn assemble(schema: &'static Message, segments: &[Segment], scratch: &[u8], out: &mut Vec<u8>) {
    for &index in schema.by_number {
        let field = &schema.fields[usize::from(index)];
        if let (true, Type::Message(inner)) = (field.is_inline(), field.ty) {
            let mut nested = Vec::new();
            assemble(inner, segments, scratch, &mut nested);
            append_bytes_field(out, field.number, &nested);
            continue;
        }
        match segments.iter().find(|s| std::ptr::eq(s.owner, schema) && s.number == field.number) {
            Some(segment) => out.extend_from_slice(&scratch[segment.start..segment.end]),
            None => append_absent(field, out, 0),
        }
    }
}

/// What gogo-protobuf writes for a field that JSON did not give.
fn append_absent(field: &'static Field, out: &mut Vec<u8>, depth: usize) {
    let nil = field.is_pointer()
        || field.label != Label::Single
        || matches!(field.ty, Type::Bytes | Type::StringList | Type::SchemaOr(..));
    if !nil {
        append_zero(field, out, depth);
    }
}

fn append_zero(field: &'static Field, out: &mut Vec<u8>, depth: usize) {
    append_zero_numbered(field, field.number, out, depth);
}

/// The zero value of a field's type under `number`.
fn append_zero_numbered(field: &'static Field, number: u32, out: &mut Vec<u8>, depth: usize) {
    match field.ty {
        Type::Int32 | Type::Int64 | Type::Bool => {
            append_tag(out, number, VARINT);
            out.push(0);
        }
        Type::Double => {
            append_tag(out, number, FIXED64);
            out.extend_from_slice(&[0; 8]);
        }
        Type::Duration => append_bytes_field(out, number, &[0x08, 0]),
        Type::Quantity => append_bytes_field(out, number, &[0x0a, 1, b'0']),
        Type::IntOrString => append_bytes_field(out, number, &[0x08, 0, 0x10, 0, 0x1a, 0]),
        Type::Message(schema) if depth < MAX_DEPTH => {
            let mut inner = Vec::new();
            append_empty(schema, &mut inner, depth + 1);
            append_bytes_field(out, number, &inner);
        }
        _ => append_bytes_field(out, number, &[]),
    }
}

/// The encoding of a message in which nothing is set.
fn append_empty(schema: &'static Message, out: &mut Vec<u8>, depth: usize) {
    for &index in schema.by_number {
        append_absent(&schema.fields[usize::from(index)], out, depth);
    }
}

fn write_time(ty: Type, text: &str, out: &mut Writer) -> Result<(), crate::time::TimeError> {
    match ty {
        Type::MicroTime => text.parse::<MicroTime>()?.write(out),
        Type::Duration => text.parse::<Duration>()?.write(out),
        _ => text.parse::<Time>()?.write(out),
    }
    Ok(())
}

fn base64_message(error: &base64::DecodeError) -> String {
    let at = match error {
        base64::DecodeError::InvalidByte(at, _)
        | base64::DecodeError::InvalidLastSymbol { offset: at, .. } => *at,
        base64::DecodeError::InvalidLength(length) => *length,
        _ => 0,
    };
    format!("illegal base64 data at input byte {at}")
}
