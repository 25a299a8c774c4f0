//! What the table of facts says of a field under strategic merge: its type, strategy and merge key.

use super::StrategicError;
use crate::schema::{Field, Label, Message, Type as FieldType, patch};

/// The type of a value inside a built-in kind.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A struct.
    Struct(&'static Message),
    /// A map from text to the field's type.
    MapOf(&'static Field),
    /// A list of the field's type.
    ListOf(&'static Field),
    /// Anything without inner structure.
    Leaf,
}

/// How a field merges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strategy {
    /// Keys which the patch does not list are dropped.
    pub retain_keys: bool,
    /// The patch's value replaces the object's.
    pub replace: bool,
    /// Lists merge element by element.
    pub merge: bool,
    /// The field by which elements of a merging list are matched; empty for scalars.
    pub merge_key: &'static str,
}

impl Type {
    fn element(field: &'static Field) -> Type {
        match field.ty {
            FieldType::Message(message) => Type::Struct(message),
            _ => Type::Leaf,
        }
    }

    fn of(field: &'static Field) -> Type {
        match (field.label, field.ty) {
            (Label::Map, _) => Type::MapOf(field),
            (Label::Repeated, _) | (_, FieldType::StringList) => Type::ListOf(field),
            (Label::Single, _) => Type::element(field),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Type::Struct(_) => "struct",
            Type::MapOf(_) => "map",
            Type::ListOf(_) => "slice",
            Type::Leaf => "string",
        }
    }

    /// Type and strategy of the field `key`.
    pub(super) fn field(self, key: &str) -> Result<(Type, Strategy), StrategicError> {
        match self {
            Type::Struct(message) => {
                let field = message.field(key).ok_or_else(|| StrategicError::UnknownField {
                    message: message.name().to_owned(),
                    field: key.to_owned(),
                })?;
                let bit = |bit: u8| field.patch & bit != 0;
                let strategy = Strategy {
                    retain_keys: bit(patch::RETAIN_KEYS),
                    replace: bit(patch::REPLACE),
                    merge: bit(patch::MERGE),
                    merge_key: field.merge_key,
                };
                Ok((Type::of(field), strategy))
            }
            Type::MapOf(field) => match field.ty {
                FieldType::StringList => Ok((Type::ListOf(field), Strategy::default())),
                _ => Ok((Type::element(field), Strategy::default())),
            },
            other => Err(StrategicError::NotAStruct(other.name())),
        }
    }

    /// Type of the elements of the list `key`, and the strategy of the list.
    pub(super) fn list_field(self, key: &str) -> Result<(Type, Strategy), StrategicError> {
        match self.field(key)? {
            (Type::ListOf(field), strategy) => Ok((Type::element(field), strategy)),
            (other, _) => Err(StrategicError::NotAList(other.name())),
        }
    }
}
