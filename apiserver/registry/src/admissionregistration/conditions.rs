//! Match conditions of webhooks: every expression must compile.
//!
//! Source: `validateMatchConditions` of `pkg/apis/admissionregistration/validation/validation.go`.

use api_types::admissionregistration::v1::MatchCondition;
use apiserver_cel::Program;
use machinery::field::{Error, ErrorList, Path};

/// What conditions are about. Upstream also has `authorizer`.
const VARIABLES: &[&str] = &["object", "oldObject", "request"];

/// What is wrong with the expressions of each webhook; those that were stored before (`old`) are let be.
pub fn validate<'a>(
    webhooks: impl Iterator<Item = &'a [MatchCondition]>,
    old: impl Iterator<Item = &'a [MatchCondition]>,
) -> ErrorList {
    let stored: Vec<&str> = old.flatten().map(|condition| condition.expression.as_str()).collect();
    let mut errors = ErrorList::new();
    for (index, conditions) in webhooks.enumerate() {
        let path = Path::new("webhooks").index(index).child("matchConditions");
        for (index, MatchCondition { expression, .. }) in conditions.iter().enumerate() {
            // An empty one is told of elsewhere.
            if expression.trim().is_empty() || stored.contains(&expression.as_str()) {
                continue;
            }
            if let Err(error) = Program::compile_condition(expression, VARIABLES) {
                let path = path.index(index).child("expression");
                errors.push(Error::invalid(&path, expression.as_str(), error.to_string()));
            }
        }
    }
    errors
}
