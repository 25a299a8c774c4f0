//! `metav1.LabelSelector`: to a selector and back, and its rules (`apis/meta/v1/validation`).

use std::collections::BTreeMap;

use super::{Operator, Requirement, Selector, SelectorError};
use crate::field::{Error, ErrorList, Path};
use crate::meta::v1::{LabelSelector, LabelSelectorRequirement};
use crate::names;

/// The operators of `matchExpressions`.
const OPERATORS: &[(&str, Operator)] = &[
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

impl Selector {
    /// An absent `LabelSelector` matches nothing, an empty one everything.
    ///
    /// # Errors
    /// For an unknown operator or a requirement which breaks rules.
    pub fn from_label_selector(selector: Option<&LabelSelector>) -> Result<Selector, SelectorError> {
        let Some(selector) = selector else { return Ok(Selector::Nothing) };
        let mut requirements = Vec::new();
        for (key, value) in &selector.match_labels {
            requirements.push(Requirement::new(key, Operator::Equals, vec![value.clone()])?);
        }
        for expression in &selector.match_expressions {
            let operator = OPERATORS
                .iter()
                .find(|(name, _)| *name == expression.operator)
                .ok_or_else(|| SelectorError::UnknownOperator(expression.operator.clone()))?;
            requirements.push(Requirement::new(&expression.key, operator.1, expression.values.clone())?);
        }
        Ok(Selector::new(requirements))
    }
}

/// The text form for people: `<none>` for a selector without requirements, `<error>` for a broken one.
pub fn format_label_selector(selector: Option<&LabelSelector>) -> String {
    match Selector::from_label_selector(selector).map(|selector| selector.to_string()) {
        Ok(text) if text.is_empty() => "<none>".to_owned(),
        Ok(text) => text,
        Err(_) => "<error>".to_owned(),
    }
}

/// A `LabelSelector` which asks for all of the given labels.
pub fn label_selector_from_labels(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: labels.clone(), ..LabelSelector::default() }
}

/// Reads the text form into a `LabelSelector`.
///
/// # Errors
/// When the text cannot be read or has an operator which a `LabelSelector` cannot express.
pub fn parse_to_label_selector(text: &str) -> Result<LabelSelector, SelectorError> {
    let parsed = Selector::parse(text)
        .map_err(|source| SelectorError::Text { text: text.to_owned(), source: Box::new(source) })?;
    let mut selector = LabelSelector::default();
    for requirement in parsed.requirements() {
        let operator = requirement.operator();
        match (operator, requirement.values()) {
            (Operator::Equals | Operator::DoubleEquals, [value]) => {
                selector.match_labels.insert(requirement.key().to_owned(), value.clone());
            }
            (_, values) => {
                let (name, _) = OPERATORS
                    .iter()
                    .find(|(_, candidate)| *candidate == operator)
                    .ok_or(SelectorError::UnsupportedOperator(operator.name()))?;
                selector.match_expressions.push(LabelSelectorRequirement {
                    key: requirement.key().to_owned(),
                    operator: (*name).to_owned(),
                    values: values.to_vec(),
                });
            }
        }
    }
    Ok(selector)
}

/// What a caller tolerates for the sake of stored objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelSelectorOptions {
    /// Do not look at the values of expressions.
    pub allow_invalid_label_value: bool,
    /// Do not look at the operators of expressions.
    pub allow_unknown_operator: bool,
}

/// Whether an expression has a value that is no label value.
pub fn has_invalid_label_value(selector: Option<&LabelSelector>) -> bool {
    let expressions = selector.map_or(&[][..], |selector| &selector.match_expressions);
    expressions.iter().flat_map(|e| &e.values).any(|value| !names::is_label_value(value).is_empty())
}

/// The rules of a `LabelSelector`; an absent one breaks none.
pub fn validate_label_selector(
    selector: Option<&LabelSelector>,
    options: LabelSelectorOptions,
    path: &Path,
) -> ErrorList {
    let Some(selector) = selector else { return ErrorList::new() };
    let mut errors = validate_labels(&selector.match_labels, &path.child("matchLabels"));
    for (position, expression) in selector.match_expressions.iter().enumerate() {
        let path = path.child("matchExpressions").index(position);
        errors.extend(validate_label_selector_requirement(expression, options, &path));
    }
    errors
}

/// The rules of one entry of `matchExpressions`.
pub fn validate_label_selector_requirement(
    requirement: &LabelSelectorRequirement,
    options: LabelSelectorOptions,
    path: &Path,
) -> ErrorList {
    let mut errors = ErrorList::new();
    let values = path.child("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => {
            errors.push(Error::required(&values, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(Error::forbidden(&values, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        operator if !options.allow_unknown_operator => {
            errors.push(Error::invalid(&path.child("operator"), operator, "not a valid selector operator"));
        }
        _ => {}
    }
    errors.extend(validate_label_name(&requirement.key, &path.child("key")));
    if !options.allow_invalid_label_value {
        for (position, value) in requirement.values.iter().enumerate() {
            let messages = names::is_label_value(value);
            let at = values.index(position);
            errors.extend(messages.into_iter().map(|message| Error::invalid(&at, value, message)));
        }
    }
    errors
}

/// The rules of a label key.
pub fn validate_label_name(name: &str, path: &Path) -> ErrorList {
    names::is_qualified_name(name).into_iter().map(|message| Error::invalid(path, name, message)).collect()
}

/// The rules of a set of labels.
pub fn validate_labels(labels: &BTreeMap<String, String>, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels {
        errors.extend(validate_label_name(key, path));
        let messages = names::is_label_value(value);
        errors.extend(messages.into_iter().map(|message| Error::invalid(path, value, message)));
    }
    errors
}
