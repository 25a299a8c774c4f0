//! Field selectors such as `spec.nodeName=a,status.phase!=Running` (`apimachinery/pkg/fields`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Why a text is no field selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A term has no operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole text.
        selector: String,
        /// The term without operator.
        term: String,
    },
    /// A backslash stands before something that needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or an equals sign stands in a value without backslash; upstream prints its code point.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.0))]
    Unescaped(char),
    /// The resource has no such field to select by, or the value is not acceptable.
    #[error("{0}")]
    Field(String),
}

/// Something that has selectable fields. An absent field counts as empty.
pub trait Fields {
    /// The value of a field.
    fn field(&self, path: &str) -> &str;
}

impl Fields for BTreeMap<String, String> {
    fn field(&self, path: &str) -> &str {
        self.get(path).map_or("", String::as_str)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Fields for [(K, V)] {
    fn field(&self, path: &str) -> &str {
        self.iter().find(|(name, _)| name.as_ref() == path).map_or("", |(_, value)| value.as_ref())
    }
}

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Path of the field, such as `metadata.name`.
    pub field: String,
    /// Whether the field must be equal to the value, or must not.
    pub equal: bool,
    /// The value.
    pub value: String,
}

impl Requirement {
    /// Whether the fields meet the condition.
    pub fn matches<F: Fields + ?Sized>(&self, fields: &F) -> bool {
        (fields.field(&self.field) == self.value) == self.equal
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.equal { "=" } else { "!=" };
        write!(f, "{}{operator}{}", self.field, escape_value(&self.value))
    }
}

/// All of some requirements, or nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Matches no object.
    Nothing,
    /// Matches what meets every requirement; everything when there is none.
    All(Vec<Requirement>),
}

impl Default for Selector {
    fn default() -> Selector {
        Selector::everything()
    }
}

impl Selector {
    /// Matches every object.
    pub const fn everything() -> Selector {
        Selector::All(Vec::new())
    }

    /// Matches no object.
    pub const fn nothing() -> Selector {
        Selector::Nothing
    }

    /// Matches what has the value in the field.
    pub fn equal(field: &str, value: &str) -> Selector {
        Selector::All(vec![Requirement { field: field.to_owned(), equal: true, value: value.to_owned() }])
    }

    /// Matches what has another value in the field.
    pub fn not_equal(field: &str, value: &str) -> Selector {
        Selector::All(vec![Requirement { field: field.to_owned(), equal: false, value: value.to_owned() }])
    }

    /// Matches what both match.
    #[must_use]
    pub fn and(self, other: Selector) -> Selector {
        match (self, other) {
            (Selector::All(mut left), Selector::All(right)) => {
                left.extend(right);
                Selector::All(left)
            }
            _ => Selector::Nothing,
        }
    }

    /// Reads the text form. Terms are sorted, so that equal selectors print alike.
    ///
    /// # Errors
    /// For a term without operator or with wrong escapes.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) = split_term(term)
                .ok_or_else(|| SelectorError::Term { selector: text.to_owned(), term: term.to_owned() })?;
            let value = unescape_value(value)?.into_owned();
            if !(field.is_empty() && value.is_empty()) {
                requirements.push(Requirement { field: field.to_owned(), equal, value });
            }
        }
        Ok(Selector::All(requirements))
    }

    /// Replaces field and value of every requirement; a pair of empty texts drops the requirement.
    ///
    /// # Errors
    /// Those of the function.
    pub fn transform<E>(
        self,
        mut change: impl FnMut(&str, &str) -> Result<(String, String), E>,
    ) -> Result<Selector, E> {
        let Selector::All(requirements) = self else { return Ok(Selector::Nothing) };
        let mut changed = Vec::with_capacity(requirements.len());
        for requirement in requirements {
            let (field, value) = change(&requirement.field, &requirement.value)?;
            if !(field.is_empty() && value.is_empty()) {
                changed.push(Requirement { field, value, equal: requirement.equal });
            }
        }
        Ok(Selector::All(changed))
    }

    /// Whether the fields meet every requirement.
    pub fn matches<F: Fields + ?Sized>(&self, fields: &F) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(requirements) => requirements.iter().all(|requirement| requirement.matches(fields)),
        }
    }

    /// Whether every object matches.
    pub fn is_empty(&self) -> bool {
        matches!(self, Selector::All(requirements) if requirements.is_empty())
    }

    /// The requirements; none for a selector that matches nothing.
    pub fn requirements(&self) -> &[Requirement] {
        match self {
            Selector::Nothing => &[],
            Selector::All(requirements) => requirements,
        }
    }

    /// The value which the field must have, when there is one.
    pub fn required_value(&self, field: &str) -> Option<&str> {
        let mut requirements = self.requirements().iter();
        requirements.find(|r| r.equal && r.field == field).map(|r| r.value.as_str())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.requirements().iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Selector, SelectorError> {
        Selector::parse(text)
    }
}

/// Puts a backslash before what separates terms.
pub fn escape_value(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

/// Takes the backslashes of [`escape_value`] away.
///
/// # Errors
/// For a separator without backslash, or a backslash before anything else.
pub fn unescape_value(value: &str) -> Result<Cow<'_, str>, SelectorError> {
    if !value.contains(['\\', ',', '=']) {
        return Ok(value.into());
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                Some(other) => return Err(SelectorError::Escape(format!("\\{other}"))),
                None => return Err(SelectorError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(SelectorError::Unescaped(character)),
            other => plain.push(other),
        }
    }
    Ok(plain.into())
}

/// Splits at commas which have no backslash before them.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether it must be equal, value.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    const OPERATORS: [(&str, bool); 3] = [("!=", false), ("==", true), ("=", true)];
    term.char_indices().find_map(|(position, _)| {
        let (field, rest) = term.split_at(position);
        OPERATORS.iter().find_map(|(operator, equal)| Some((field, *equal, rest.strip_prefix(operator)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        for (input, expected) in [
            ("", ""),
            (",", ""),
            ("x=a,y=b,z=c", "x=a,y=b,z=c"),
            ("z=c,x==a", "x=a,z=c"),
            ("x!=a", "x!=a"),
            ("x=", "x="),
            ("=", ""),
            (r"x=a\,b\=c\\", r"x=a\,b\=c\\"),
            ("metadata.name=é", "metadata.name=é"),
            ("!x=a", "!x=a"),
        ] {
            let printed = Selector::parse(input).map(|selector| selector.to_string());
            assert_eq!(printed.as_deref(), Ok(expected), "{input}");
        }
    }

    #[test]
    fn refused_text() {
        for (input, expected) in [
            ("x", "invalid selector: 'x'; can't understand 'x'"),
            ("a=b,x", "invalid selector: 'a=b,x'; can't understand 'x'"),
            ("x=a=b", "invalid field selector: unescaped character in value: 61"),
            (r"x=a\b", r"invalid field selector: invalid escape sequence: \b"),
            (r"x=a\", r"invalid field selector: invalid escape sequence: \"),
        ] {
            assert_eq!(Selector::parse(input).map_err(|e| e.to_string()), Err(expected.to_owned()));
        }
    }

    #[test]
    fn matching() {
        let fields = [("metadata.name", "a"), ("spec.nodeName", "n,1")];
        for (selector, expected) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name!=a", false),
            ("metadata.name!=b", true),
            (r"spec.nodeName=n\,1", true),
            ("absent=", true),
            ("absent!=", false),
            ("metadata.name=a,absent=x", false),
        ] {
            let matched = Selector::parse(selector).map(|selector| selector.matches(&fields[..]));
            assert_eq!(matched, Ok(expected), "{selector}");
        }
        assert!(!Selector::nothing().matches(&fields[..]));
    }

    #[test]
    fn values_and_transformation() {
        let selector = Selector::parse("b!=2,a=1").unwrap_or_default();
        assert_eq!((selector.required_value("a"), selector.required_value("b")), (Some("1"), None));
        let changed = selector.transform(|field, value| match field {
            "a" => Ok((String::new(), String::new())),
            other => Err(format!("{other} {value}")),
        });
        assert_eq!(changed, Err("b 2".to_owned()));
        let both = Selector::equal("a", "1").and(Selector::not_equal("b", "2"));
        assert_eq!(both.to_string(), "a=1,b!=2");
        assert_eq!(both.and(Selector::nothing()), Selector::nothing());
    }
}
