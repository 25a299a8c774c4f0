//! How plugins refuse: upstream's text and reason, and the name of the object as far as it is known.

use std::fmt;

use machinery::status::StatusError;

use crate::attributes::Attributes;

impl Attributes {
    /// The name a refusal gives the object: a create may only know how it will begin, or nothing yet.
    pub fn name_to_show(&self) -> &str {
        if !self.name.is_empty() {
            return &self.name;
        }
        let meta = self.object.as_deref().map(|object| object.meta());
        let known = meta.into_iter().flat_map(|meta| [&meta.name, &meta.generate_name]);
        known.into_iter().find(|name| !name.is_empty()).map_or("Unknown", String::as_str)
    }

    /// Refuses the request with 403 and `error` as the explanation.
    pub fn forbidden(&self, error: impl fmt::Display) -> StatusError {
        StatusError::forbidden(&self.resource.group_resource(), self.name_to_show(), error)
    }
}

/// Several errors as upstream's `NewAggregate` prints them: one alone, more in brackets and each once.
pub fn aggregate(errors: &[String]) -> Option<String> {
    let mut seen: Vec<&str> = Vec::with_capacity(errors.len());
    for error in errors {
        if !seen.contains(&error.as_str()) {
            seen.push(error);
        }
    }
    match seen.as_slice() {
        [] => None,
        [only] => Some((*only).to_owned()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_once() {
        let check = |errors: &[&str], expected: Option<&str>| {
            let errors: Vec<String> = errors.iter().map(|error| (*error).to_owned()).collect();
            assert_eq!(aggregate(&errors).as_deref(), expected);
        };
        check(&[], None);
        check(&["a"], Some("a"));
        check(&["a", "b", "a"], Some("[a, b]"));
        check(&["a", "a"], Some("a"));
    }
}
