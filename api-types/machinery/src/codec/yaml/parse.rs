//! YAML text to a JSON value.
//!
//! The parser below resolves scalars by YAML 1.2 and tells plain ones from quoted ones only by where in the
//! source a borrowed text lies. That is enough: what comes borrowed with no quote before it is plain, and is
//! resolved again by Go's rules.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::resolve::{Scalar, float_number, resolve};
use crate::quote::go_quote;

/// Greatest depth of maps and lists.
pub const MAX_DEPTH: usize = 100;
/// Values which aliases may add to a document; as many as Go's library allows before it grows suspicious.
const MAX_ALIAS_VALUES: usize = 400_000;

/// Why a text is not YAML, or not YAML that JSON can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Line of the fault, from 1; 0 when unknown.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error converting YAML to JSON: yaml: ")?;
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for YamlError {}

/// A key which occurs twice in one map; the last one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Line of the later occurrence, from 1; 0 when unknown.
    pub line: usize,
    /// The key.
    pub key: String,
}

impl fmt::Display for DuplicateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: key {} already set in map", self.line, go_quote(&self.key))
    }
}

/// A document and what strict readers object to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The document.
    pub value: Value,
    /// Keys given more than once.
    pub duplicates: Vec<DuplicateKey>,
}

/// Reads the first document of `text`; an empty text is null.
///
/// # Errors
/// When the text is not YAML, too deep, grows too much by aliases, or holds what JSON cannot say.
pub fn from_str(text: &str) -> Result<Value, YamlError> {
    decode(text).map(|decoded| decoded.value)
}

/// [`from_str`] which also reports duplicate keys.
///
/// # Errors
/// As [`from_str`].
pub fn decode(text: &str) -> Result<Decoded, YamlError> {
    let context = Context {
        text,
        budget: Cell::new(text.len() + MAX_ALIAS_VALUES),
        duplicates: RefCell::default(),
        line: Cell::new(0),
    };
    let Some(document) = serde_yaml::Deserializer::from_str(text).next() else {
        return Ok(Decoded { value: Value::Null, duplicates: Vec::new() });
    };
    let node = Node { context: &context, depth: 0 }.deserialize(document);
    let value = node.map_err(|error| context.error(&error))?;
    let value = match value {
        Parsed::Value(value) => value,
        Parsed::Merge => Value::from("<<"),
    };
    Ok(Decoded { value, duplicates: context.duplicates.into_inner() })
}

struct Context<'t> {
    text: &'t str,
    /// Values which may still be made.
    budget: Cell<usize>,
    duplicates: RefCell<Vec<DuplicateKey>>,
    /// Line of the last scalar seen, for errors of our own.
    line: Cell<usize>,
}

impl Context<'_> {
    fn error(&self, error: &serde_yaml::Error) -> YamlError {
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        let line = error.location().map_or(self.line.get(), |location| location.line());
        YamlError { line, message }
    }

    /// Offset of a text which lies inside the source.
    fn offset(&self, part: &str) -> Option<usize> {
        let start = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        (start + part.len() <= self.text.len()).then_some(start)
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Whether a borrowed text stands unquoted and untagged in the source.
    fn is_plain(&self, offset: usize) -> bool {
        let before = &self.text[..offset];
        if before.ends_with(['"', '\'']) {
            return false;
        }
        let word = before.trim_end().rsplit([' ', '\t', '\n', ',', '[', '{']).next().unwrap_or_default();
        !(word.starts_with('!') && before.len() > before.trim_end().len())
    }
}

/// A value, or the key `<<`.
enum Parsed {
    Value(Value),
    Merge,
}

#[derive(Clone, Copy)]
struct Node<'c, 't> {
    context: &'c Context<'t>,
    depth: usize,
}

impl Node<'_, '_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        Ok(Node { depth: self.depth + 1, ..self })
    }

    fn spend<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.context.budget.get();
        self.context
            .budget
            .set(left.checked_sub(1).ok_or_else(|| E::custom("document contains excessive aliasing"))?);
        Ok(())
    }

    fn number<E: serde::de::Error>(self, number: Option<Number>) -> Result<Parsed, E> {
        let number = number.ok_or_else(|| E::custom("unsupported value: infinity or not a number"))?;
        Ok(Parsed::Value(Value::Number(number)))
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Parsed;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Value(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Value(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Value(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Value(value.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Parsed, E> {
        self.number(float_number(value as f64))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Parsed, E> {
        self.number(float_number(value as f64))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Parsed, E> {
        self.number(float_number(value))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Parsed, E> {
        let Some(offset) = self.context.offset(text) else { return self.visit_str(text) };
        if !self.context.is_plain(offset) {
            return self.visit_str(text);
        }
        match resolve(text) {
            Scalar::Merge => Ok(Parsed::Merge),
            scalar => scalar
                .into_value(text)
                .map(Parsed::Value)
                .ok_or_else(|| E::custom(format!("unsupported value: {text}"))),
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Parsed, E> {
        Ok(Parsed::Value(Value::String(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parsed, A::Error> {
        let element = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(element)? {
            list.push(plain(item));
        }
        Ok(Parsed::Value(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Parsed, A::Error> {
        let element = self.deeper()?;
        let mut map = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = entries.next_key_seed(Key(element))? {
            let value = plain(entries.next_value_seed(element)?);
            match key {
                None => merged.push(value),
                Some((key, line)) => {
                    if map.insert(key.clone(), value).is_some() {
                        self.context.duplicates.borrow_mut().push(DuplicateKey { line, key });
                    }
                }
            }
        }
        for source in merged {
            merge_into(&mut map, source)?;
        }
        Ok(Parsed::Value(Value::Object(map)))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Parsed, A::Error> {
        // Tags of applications mean nothing here; a scalar which has one stays text.
        let (_, content) = tagged.variant::<String>()?;
        Ok(Parsed::Value(match plain(content.newtype_variant_seed(self)?) {
            Value::Null => Value::String(String::new()),
            scalar @ (Value::Bool(_) | Value::Number(_)) => Value::String(scalar.to_string()),
            other => other,
        }))
    }
}

fn plain(parsed: Parsed) -> Value {
    match parsed {
        Parsed::Value(value) => value,
        Parsed::Merge => Value::from("<<"),
    }
}

/// `<<`: what the map has itself stays.
fn merge_into<E: serde::de::Error>(map: &mut Map<String, Value>, source: Value) -> Result<(), E> {
    match source {
        Value::Object(entries) => {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(sources) if sources.iter().all(Value::is_object) => {
            sources.into_iter().try_for_each(|source| merge_into(map, source))
        }
        _ => Err(E::custom("map merge requires map or sequence of maps as the value")),
    }
}

/// A key of a map, as text with its line; nothing for `<<`.
struct Key<'c, 't>(Node<'c, 't>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<(String, usize)>;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl Key<'_, '_> {
    fn text<E: serde::de::Error>(&self, parsed: Parsed) -> Result<Option<(String, usize)>, E> {
        let text = match parsed {
            Parsed::Merge => return Ok(None),
            Parsed::Value(Value::String(text)) => text,
            Parsed::Value(Value::Bool(value)) => value.to_string(),
            Parsed::Value(Value::Number(number)) => number.to_string(),
            Parsed::Value(other) => return Err(E::custom(format!("unsupported map key: {other}"))),
        };
        Ok(Some((text, self.0.context.line.get())))
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Option<(String, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if let Some(offset) = self.0.context.offset(text) {
            self.0.context.line.set(self.0.context.line_of(offset));
        }
        let parsed = self.0.visit_borrowed_str(text)?;
        self.text(parsed)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.text(Parsed::Value(Value::Null))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let parsed = self.0.visit_str(text)?;
        self.text(parsed)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
        self.text(Parsed::Value(Value::Bool(value)))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
        self.text(Parsed::Value(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.text(Parsed::Value(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
        let parsed = self.0.visit_f64(value)?;
        self.text(parsed)
    }
}
