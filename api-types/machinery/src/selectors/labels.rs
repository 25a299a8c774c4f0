//! Label selectors: text form, matching, and conversion from `LabelSelector` (`apimachinery/pkg/labels`).

mod convert;
mod parser;
#[cfg(test)]
mod tests;

pub use convert::{
    LabelSelectorOptions, format_label_selector, has_invalid_label_value, label_selector_from_labels,
    parse_to_label_selector, validate_label_name, validate_label_selector,
    validate_label_selector_requirement, validate_labels,
};

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use crate::field::{self, Path};
use crate::names;

/// Why a text or a `LabelSelector` is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A requirement in a text is wrong.
    #[error("unable to parse requirement: {0}")]
    Requirement(Box<SelectorError>),
    /// A key or values break rules; the text is that of the validation errors.
    #[error("{0}")]
    Rules(String),
    /// Something else was found than the grammar asks for.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// What stands in the text.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// A set of values does not begin with a parenthesis.
    #[error("found '{0}' expected: '('")]
    MissingParenthesis(String),
    /// A `LabelSelector` has an operator that does not exist.
    #[error("{} is not a valid label selector operator", crate::quote::go_quote(.0))]
    UnknownOperator(String),
    /// A text has an operator which a `LabelSelector` cannot express.
    #[error("{} isn't supported in label selectors", crate::quote::go_quote(.0))]
    UnsupportedOperator(&'static str),
    /// A text which should become a `LabelSelector` cannot be read.
    #[error("couldn't parse the selector string \"{text}\": {source}")]
    Text {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: Box<SelectorError>,
    },
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`; an absent key matches
    NotIn,
    /// `key=a`
    Equals,
    /// `key==a`
    DoubleEquals,
    /// `key!=a`; an absent key matches
    NotEquals,
    /// `key>1`
    GreaterThan,
    /// `key<1`
    LessThan,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
}

impl Operator {
    /// The name of the operator in messages.
    pub fn name(self) -> &'static str {
        match self {
            Operator::In => "in",
            Operator::NotIn => "notin",
            Operator::Equals => "=",
            Operator::DoubleEquals => "==",
            Operator::NotEquals => "!=",
            Operator::GreaterThan => "gt",
            Operator::LessThan => "lt",
            Operator::Exists => "exists",
            Operator::DoesNotExist => "!",
        }
    }
}

/// Something that has labels.
pub trait Labels {
    /// The value of a label, if it is set.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl Labels for HashMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Labels for [(K, V)] {
    fn label(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| name.as_ref() == key).map(|(_, value)| value.as_ref())
    }
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// Checks key, operator and values.
    ///
    /// # Errors
    /// [`SelectorError::Rules`] with every broken rule.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Requirement, SelectorError> {
        Requirement::new_at(key, operator, values, &Path::nil())
    }

    /// [`Requirement::new`] with the path of the field which holds the requirement, for messages.
    ///
    /// # Errors
    /// [`SelectorError::Rules`] with every broken rule.
    pub fn new_at(
        key: &str,
        operator: Operator,
        values: Vec<String>,
        path: &Path,
    ) -> Result<Requirement, SelectorError> {
        let mut errors = Vec::new();
        errors.extend(check_key(key, &path.child("key")));
        let values_path = path.child("values");
        let count_error = match operator {
            Operator::In | Operator::NotIn => {
                values.is_empty().then_some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
                (values.len() != 1).then_some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist => {
                (!values.is_empty()).then_some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan => {
                (values.len() != 1).then_some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
        };
        errors.extend(count_error.map(|detail| field::Error::invalid(&values_path, &values, detail)));
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (position, value) in values.iter().enumerate() {
                if parse_integer(value).is_none() {
                    let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                    errors.push(field::Error::invalid(&values_path.index(position), value, detail));
                }
            }
        }
        for (position, value) in values.iter().enumerate() {
            let messages = names::is_label_value(value);
            if !messages.is_empty() {
                let path = values_path.index(position).key(key);
                errors.push(field::Error::invalid(&path, value, messages.join("; ")));
            }
        }
        if errors.is_empty() {
            return Ok(Requirement { key: key.to_owned(), operator, values });
        }
        Err(SelectorError::Rules(field::aggregate(&errors)))
    }

    /// The label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The comparison.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, in the order given.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether the labels meet the condition.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let actual = labels.label(&self.key);
        let listed = |value: &str| self.values.iter().any(|candidate| candidate == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => actual.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !actual.is_some_and(listed),
            Operator::Exists => actual.is_some(),
            Operator::DoesNotExist => actual.is_none(),
            Operator::GreaterThan => self.numbers(actual).is_some_and(|(actual, bound)| actual > bound),
            Operator::LessThan => self.numbers(actual).is_some_and(|(actual, bound)| actual < bound),
        }
    }

    fn numbers(&self, actual: Option<&str>) -> Option<(i64, i64)> {
        match self.values.as_slice() {
            [bound] => Some((parse_integer(actual?)?, parse_integer(bound)?)),
            _ => None,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&str> = self.values.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let (key, values) = (&self.key, sorted.join(","));
        match self.operator {
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Exists => f.write_str(key),
            Operator::In | Operator::NotIn => write!(f, "{key} {} ({values})", self.operator.name()),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
                write!(f, "{key}{}{values}", self.operator.name())
            }
        }
    }
}

/// All of some requirements, or nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Matches no object.
    Nothing,
    /// Matches what meets every requirement; everything when there is none. Sorted by key.
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

    /// Matches what meets every requirement.
    pub fn new(mut requirements: Vec<Requirement>) -> Selector {
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Selector::All(requirements)
    }

    /// Matches what has all of the given labels. Keys and values are taken as they are.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Selector {
        let equal = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::Equals,
            values: vec![value.clone()],
        };
        Selector::All(labels.iter().map(equal).collect())
    }

    /// [`Selector::from_labels`] with a check of keys and values.
    ///
    /// # Errors
    /// For the first label which breaks rules.
    pub fn from_checked_labels(labels: &BTreeMap<String, String>) -> Result<Selector, SelectorError> {
        let equal =
            |(key, value): (&String, &String)| Requirement::new(key, Operator::Equals, vec![value.clone()]);
        Ok(Selector::All(labels.iter().map(equal).collect::<Result<_, _>>()?))
    }

    /// Reads the text form, such as `app=web,tier in (a,b),!old`.
    ///
    /// # Errors
    /// With upstream's text. The field in messages is `<nil>`, as upstream has it.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        Selector::parse_at(text, &Path::nil())
    }

    /// [`Selector::parse`] with the path of the field which holds the text.
    ///
    /// # Errors
    /// With upstream's text.
    pub fn parse_at(text: &str, path: &Path) -> Result<Selector, SelectorError> {
        parser::parse(text, path).map(Selector::new)
    }

    /// The same selector with further requirements.
    #[must_use]
    pub fn and(self, more: impl IntoIterator<Item = Requirement>) -> Selector {
        match self {
            Selector::Nothing => Selector::Nothing,
            Selector::All(mut requirements) => {
                requirements.extend(more);
                Selector::new(requirements)
            }
        }
    }

    /// Whether the labels meet every requirement.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(requirements) => requirements.iter().all(|requirement| requirement.matches(labels)),
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

    /// The one value which the label must have, when there is one.
    pub fn required_value(&self, key: &str) -> Option<&str> {
        let requirement = self.requirements().iter().find(|requirement| requirement.key == key)?;
        match (requirement.operator, requirement.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
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

/// Go's `ParseInt`: an optional sign and digits.
fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn check_key(key: &str, path: &Path) -> Option<field::Error> {
    let messages = names::is_qualified_name(key);
    (!messages.is_empty()).then(|| field::Error::invalid(path, key, messages.join("; ")))
}
