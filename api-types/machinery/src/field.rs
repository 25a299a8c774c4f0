//! Field paths and the errors of validation, with upstream's texts
//! (`apimachinery/pkg/util/validation/field`).

mod bad_value;
mod path;
#[cfg(test)]
mod tests;

pub use bad_value::BadValue;
pub use path::Path;

use std::collections::HashSet;
use std::fmt;

use crate::quote::go_quote;

/// What a validation found, in the order it was found.
pub type ErrorList = Vec<Error>;

/// The rule which a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A value which refers to something absent.
    NotFound,
    /// A value which must be given.
    Required,
    /// A value which must be unique.
    Duplicate,
    /// A malformed value.
    Invalid,
    /// A value outside an enumeration.
    NotSupported,
    /// A value which may not be given under the circumstances.
    Forbidden,
    /// A text or a collection of bytes beyond its limit.
    TooLong,
    /// A text below its least length.
    TooShort,
    /// A list beyond its limit.
    TooMany,
    /// A list below its least length.
    TooFew,
    /// A failure of ours, not of the value.
    Internal,
    /// A value of the wrong type.
    TypeInvalid,
}

/// Type, machine-readable cause (`status.details.causes[].reason`), words in messages.
const ERROR_TYPES: &[(ErrorType, &str, &str)] = &[
    (ErrorType::NotFound, "FieldValueNotFound", "Not found"),
    (ErrorType::Required, "FieldValueRequired", "Required value"),
    (ErrorType::Duplicate, "FieldValueDuplicate", "Duplicate value"),
    (ErrorType::Invalid, "FieldValueInvalid", "Invalid value"),
    (ErrorType::NotSupported, "FieldValueNotSupported", "Unsupported value"),
    (ErrorType::Forbidden, "FieldValueForbidden", "Forbidden"),
    (ErrorType::TooLong, "FieldValueTooLong", "Too long"),
    (ErrorType::TooShort, "FieldValueTooShort", "Too short"),
    (ErrorType::TooMany, "FieldValueTooMany", "Too many"),
    (ErrorType::TooFew, "FieldValueTooFew", "Too few"),
    (ErrorType::Internal, "InternalError", "Internal error"),
    (ErrorType::TypeInvalid, "FieldValueTypeInvalid", "Invalid value"),
];

impl ErrorType {
    /// The cause type of the API (`FieldValueInvalid` …).
    pub fn cause(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> &'static (ErrorType, &'static str, &'static str) {
        // The table has every variant: a test walks them.
        ERROR_TYPES.iter().find(|entry| entry.0 == self).unwrap_or(&ERROR_TYPES[3])
    }

    /// Whether messages of this type show the value.
    fn shows_value(self) -> bool {
        !matches!(
            self,
            ErrorType::Required
                | ErrorType::Forbidden
                | ErrorType::TooLong
                | ErrorType::TooShort
                | ErrorType::Internal
        )
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().2)
    }
}

/// One broken rule: which field, which value, which rule, and what would be accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// The kind of rule.
    pub error_type: ErrorType,
    /// Path of the field, as in `spec.containers[0].name`; `<nil>` when there is none.
    pub field: String,
    /// The value which breaks the rule.
    pub bad_value: BadValue,
    /// What is wrong or what would be accepted; may be empty.
    pub detail: String,
}

impl Error {
    fn new(error_type: ErrorType, path: &Path, bad_value: BadValue, detail: impl Into<String>) -> Error {
        Error { error_type, field: path.to_string(), bad_value, detail: detail.into() }
    }

    /// A value must be given.
    pub fn required(path: &Path, detail: impl Into<String>) -> Error {
        Error::new(ErrorType::Required, path, "".into(), detail)
    }

    /// A value is malformed.
    pub fn invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Error {
        Error::new(ErrorType::Invalid, path, value.into(), detail)
    }

    /// A value has the wrong type.
    pub fn type_invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Error {
        Error::new(ErrorType::TypeInvalid, path, value.into(), detail)
    }

    /// A value is outside an enumeration; the accepted values are listed in the order given.
    pub fn not_supported<S: AsRef<str>>(
        path: &Path,
        value: impl Into<BadValue>,
        valid_values: impl IntoIterator<Item = S>,
    ) -> Error {
        let quoted: Vec<String> = valid_values.into_iter().map(|value| go_quote(value.as_ref())).collect();
        let detail = match quoted.is_empty() {
            true => String::new(),
            false => format!("supported values: {}", quoted.join(", ")),
        };
        Error::new(ErrorType::NotSupported, path, value.into(), detail)
    }

    /// A value occurs twice where it must be unique.
    pub fn duplicate(path: &Path, value: impl Into<BadValue>) -> Error {
        Error::new(ErrorType::Duplicate, path, value.into(), "")
    }

    /// A value may not be given under the circumstances.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Error {
        Error::new(ErrorType::Forbidden, path, "".into(), detail)
    }

    /// A value refers to something which does not exist.
    pub fn not_found(path: &Path, value: impl Into<BadValue>) -> Error {
        Error::new(ErrorType::NotFound, path, value.into(), "")
    }

    /// A value has more than `max_length` bytes. The value itself is left out of messages.
    pub fn too_long(path: &Path, max_length: usize) -> Error {
        let detail = format!("may not be more than {}", counted(max_length, "byte"));
        Error::new(ErrorType::TooLong, path, BadValue::omitted_text(), detail)
    }

    /// A value has more than `max_length` characters. The value itself is left out of messages.
    pub fn too_long_characters(path: &Path, max_length: usize) -> Error {
        let detail = format!("may not be more than {}", counted(max_length, "character"));
        Error::new(ErrorType::TooLong, path, BadValue::omitted_text(), detail)
    }

    /// A text has fewer than `min_length` characters.
    pub fn too_short(path: &Path, value: impl Into<BadValue>, min_length: usize) -> Error {
        let detail = format!("must be at least {}", counted(min_length, "character"));
        Error::new(ErrorType::TooShort, path, value.into(), detail)
    }

    /// A list has more than `maximum` items; `actual` is how many it has, when that may be said.
    pub fn too_many(path: &Path, actual: Option<usize>, maximum: usize) -> Error {
        let value = actual.map_or(BadValue::Omitted, |actual| (actual as i64).into());
        let detail = format!("must have at most {}", counted(maximum, "item"));
        Error::new(ErrorType::TooMany, path, value, detail)
    }

    /// A list has fewer than `minimum` items.
    pub fn too_few(path: &Path, actual: usize, minimum: usize) -> Error {
        let detail = format!("must have at least {}", counted(minimum, "item"));
        Error::new(ErrorType::TooFew, path, (actual as i64).into(), detail)
    }

    /// Validation itself failed.
    pub fn internal(path: &Path, error: impl fmt::Display) -> Error {
        Error::new(ErrorType::Internal, path, BadValue::Omitted, error.to_string())
    }

    /// The message without the field: type, value, detail.
    pub fn body(&self) -> String {
        let mut body = self.error_type.to_string();
        if self.error_type.shows_value() && self.bad_value != BadValue::Omitted {
            body.push_str(": ");
            body.push_str(&self.bad_value.to_string());
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The text of a list of errors as upstream's aggregate prints it: a single error alone, several
/// between brackets, each text once. Empty for no errors.
pub fn aggregate(errors: &[Error]) -> String {
    aggregate_texts(errors.iter().map(Error::to_string))
}

/// [`aggregate`] for texts of any origin.
pub fn aggregate_texts(texts: impl IntoIterator<Item = String>) -> String {
    let mut seen = HashSet::new();
    let unique: Vec<String> = texts.into_iter().filter(|text| seen.insert(text.clone())).collect();
    match unique.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
