//! Protobuf of one struct field, by its multiplicity: what generated code calls.

use std::collections::BTreeMap;

use crate::int_or_string::IntOrString;
use crate::message::Message;
use crate::quantity::Quantity;
use crate::raw::RawJson;
use crate::time::{Duration, MicroTime, Time};
use crate::wire::{Reader, WireError, Writer};

/// A value that fills one protobuf field.
pub trait FieldValue: Default {
    /// Puts the value under `number`.
    fn put(&self, number: u32, out: &mut Writer);
    /// Takes the value in; a message found again is merged into what is there.
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, depth: usize) -> Result<(), WireError>;
}

impl FieldValue for String {
    fn put(&self, number: u32, out: &mut Writer) {
        out.put_bytes_field(number, self.as_bytes());
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
        from.expect_str(wire)?.clone_into(self);
        Ok(())
    }
}

impl FieldValue for Vec<u8> {
    fn put(&self, number: u32, out: &mut Writer) {
        out.put_bytes_field(number, self);
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
        from.expect_bytes(wire)?.clone_into(self);
        Ok(())
    }
}

/// `Verbs` and `ExtraValue`: a message with repeated `items`.
impl FieldValue for Vec<String> {
    fn put(&self, number: u32, out: &mut Writer) {
        let mark = out.len();
        for item in self.iter().rev() {
            item.put(1, out);
        }
        out.close_field(number, mark);
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
        let mut inner = Reader::new(from.expect_bytes(wire)?);
        while let Some((number, wire)) = inner.tag()? {
            match number {
                1 => self.push(inner.expect_str(wire)?.to_owned()),
                _ => inner.skip(wire)?,
            }
        }
        Ok(())
    }
}

macro_rules! varint_value {
    ($($ty:ty, $to:expr, $from:expr;)*) => {$(
        impl FieldValue for $ty {
            fn put(&self, number: u32, out: &mut Writer) {
                const TO: fn($ty) -> u64 = $to;
                out.put_varint_field(number, TO(*self));
            }
            fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
                const BACK: fn(u64) -> $ty = $from;
                *self = BACK(from.expect_varint(wire)?);
                Ok(())
            }
        }
    )*};
}
varint_value! {
    i32, |v| i64::from(v) as u64, |v| v as i32;
    i64, |v| v as u64, |v| v as i64;
    bool, u64::from, |v| v != 0;
}

impl FieldValue for f64 {
    fn put(&self, number: u32, out: &mut Writer) {
        out.put_double_field(number, *self);
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
        *self = from.expect_double(wire)?;
        Ok(())
    }
}

impl FieldValue for Quantity {
    fn put(&self, number: u32, out: &mut Writer) {
        let mark = out.len();
        out.put_bytes_field(1, if self.0.is_empty() { b"0" } else { self.0.as_bytes() });
        out.close_field(number, mark);
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
        let mut inner = Reader::new(from.expect_bytes(wire)?);
        while let Some((number, wire)) = inner.tag()? {
            match number {
                1 => inner.expect_str(wire)?.clone_into(&mut self.0),
                _ => inner.skip(wire)?,
            }
        }
        Ok(())
    }
}

macro_rules! small_message {
    ($($ty:ty),*) => {$(
        impl FieldValue for $ty {
            fn put(&self, number: u32, out: &mut Writer) {
                let mark = out.len();
                self.write(out);
                out.close_field(number, mark);
            }
            fn take(&mut self, wire: u8, from: &mut Reader<'_>, _: usize) -> Result<(), WireError> {
                self.merge(from.expect_bytes(wire)?)
            }
        }
    )*};
}
small_message!(Time, MicroTime, Duration, IntOrString, RawJson);

impl<T: Message> FieldValue for T {
    fn put(&self, number: u32, out: &mut Writer) {
        let mark = out.len();
        self.write(out);
        out.close_field(number, mark);
    }
    fn take(&mut self, wire: u8, from: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {
        self.merge(from.expect_bytes(wire)?, depth + 1)
    }
}

/// Puts a field that gogo-protobuf always writes.
pub fn put_single<T: FieldValue>(value: &T, number: u32, out: &mut Writer) {
    value.put(number, out);
}

/// Puts bytes or a list of strings unless it is nil.
pub fn put_non_empty<T: FieldValue + PartialEq>(value: &T, number: u32, out: &mut Writer) {
    if *value != T::default() {
        value.put(number, out);
    }
}

/// Puts a pointer unless it is nil.
pub fn put_optional<T: FieldValue>(value: &Option<T>, number: u32, out: &mut Writer) {
    if let Some(value) = value {
        value.put(number, out);
    }
}

/// Puts a pointer to a struct unless it is nil.
pub fn put_boxed<T: Message>(value: &Option<Box<T>>, number: u32, out: &mut Writer) {
    if let Some(value) = value {
        (**value).put(number, out);
    }
}

/// Puts a list.
pub fn put_repeated<T: FieldValue>(values: &[T], number: u32, out: &mut Writer) {
    for value in values.iter().rev() {
        value.put(number, out);
    }
}

/// Puts a map in the order of its keys.
pub fn put_map<T: FieldValue>(values: &BTreeMap<String, T>, number: u32, out: &mut Writer) {
    for (key, value) in values.iter().rev() {
        let mark = out.len();
        value.put(2, out);
        key.put(1, out);
        out.close_field(number, mark);
    }
}

/// Takes a plain field in.
pub fn take_single<T: FieldValue>(
    value: &mut T,
    wire: u8,
    from: &mut Reader<'_>,
    depth: usize,
) -> Result<(), WireError> {
    value.take(wire, from, depth)
}

/// Takes a pointer in.
pub fn take_optional<T: FieldValue>(
    value: &mut Option<T>,
    wire: u8,
    from: &mut Reader<'_>,
    depth: usize,
) -> Result<(), WireError> {
    value.get_or_insert_default().take(wire, from, depth)
}

/// Takes a pointer to a struct in.
pub fn take_boxed<T: Message>(
    value: &mut Option<Box<T>>,
    wire: u8,
    from: &mut Reader<'_>,
    depth: usize,
) -> Result<(), WireError> {
    (**value.get_or_insert_default()).take(wire, from, depth)
}

/// Takes one element of a list in.
pub fn take_repeated<T: FieldValue>(
    values: &mut Vec<T>,
    wire: u8,
    from: &mut Reader<'_>,
    depth: usize,
) -> Result<(), WireError> {
    let mut value = T::default();
    value.take(wire, from, depth)?;
    values.push(value);
    Ok(())
}

/// Takes one entry of a map in.
pub fn take_map<T: FieldValue>(
    values: &mut BTreeMap<String, T>,
    wire: u8,
    from: &mut Reader<'_>,
    depth: usize,
) -> Result<(), WireError> {
    let mut entry = Reader::new(from.expect_bytes(wire)?);
    let (mut key, mut value) = (String::new(), T::default());
    while let Some((number, wire)) = entry.tag()? {
        match number {
            1 => key.take(wire, &mut entry, depth)?,
            2 => value.take(wire, &mut entry, depth)?,
            _ => entry.skip(wire)?,
        }
    }
    values.insert(key, value);
    Ok(())
}
