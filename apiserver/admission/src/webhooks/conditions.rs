//! Match conditions: expressions that decide whether a webhook is asked.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use api_types::admissionregistration::v1::MatchCondition;
use apiserver_cel::{Budget, Program, Value};
use hashbrown::HashMap;
use machinery::status::StatusError;
use parking_lot::Mutex;

use super::hook::Hook;
use super::matching::Invocation;
use super::{Tools, review};
use crate::attributes::Attributes;
use crate::metrics::Step;

/// What all conditions of a webhook may cost; upstream's number.
const BUDGET: u64 = 2_500_000;
/// What one of them may cost; upstream's number.
const LIMIT: u64 = 1_000_000;
const VARIABLES: &[&str] = &["object", "oldObject", "request"];
/// So many expressions are remembered.
const MOST_PROGRAMS: usize = 4096;

type Compiled = Arc<Result<Program, String>>;

/// Expressions that were compiled before; clones share them.
#[derive(Clone, Default)]
pub struct Programs {
    compiled: Arc<Mutex<HashMap<String, Compiled>>>,
}

impl Programs {
    fn of(&self, expression: &str) -> Compiled {
        if let Some(known) = self.compiled.lock().get(expression) {
            return Arc::clone(known);
        }
        let program = Program::compile_condition(expression, VARIABLES).map_err(|error| error.to_string());
        let program = Arc::new(program);
        let mut compiled = self.compiled.lock();
        // Expressions come and go with configurations; nobody tells which are gone.
        if compiled.len() >= MOST_PROGRAMS {
            compiled.clear();
        }
        compiled.insert(expression.to_owned(), Arc::clone(&program));
        program
    }
}

/// Whether the webhook is asked. When a condition cannot be evaluated and no other is false, its failure policy decides.
pub fn are_met(
    tools: &Tools,
    hook: &Hook,
    attributes: &Attributes,
    invocation: &Invocation,
    step: Step,
) -> Result<bool, StatusError> {
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    let (object, old_object) = tools.shown(attributes, invocation).map_err(StatusError::internal_error)?;
    let value = |json: Option<serde_json::Value>| json.as_ref().map_or(Value::Null, Value::from_json);
    let request = serde_json::Value::Object(review::request(attributes, invocation));
    let variables = BTreeMap::from([
        ("object", value(object)),
        ("oldObject", value(old_object)),
        ("request", Value::from_json(&request)),
    ]);
    let (metrics, operation, started) = (&tools.metrics, attributes.operation, Instant::now());
    let outcome = evaluate(&tools.programs, &hook.conditions, &variables);
    metrics.conditions(&hook.name, step, operation, started.elapsed());
    match outcome {
        Outcome::Met => Ok(true),
        Outcome::NotMet => {
            metrics.condition_exclusion(&hook.name, step, operation);
            Ok(false)
        }
        Outcome::Failed(errors) => {
            errors.iter().for_each(|_| metrics.condition_error(&hook.name, step, operation));
            if hook.fails_open {
                return Ok(false);
            }
            let text = match errors.as_slice() {
                [only] => only.clone(),
                several => format!("[{}]", several.join(", ")),
            };
            Err(attributes.forbidden(text))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Met,
    NotMet,
    Failed(Vec<String>),
}

fn evaluate(
    programs: &Programs,
    conditions: &[MatchCondition],
    variables: &BTreeMap<&str, Value>,
) -> Outcome {
    let mut left = BUDGET;
    let mut errors = Vec::new();
    for MatchCondition { expression, .. } in conditions {
        let allowed = left.min(LIMIT);
        let mut budget = Budget::new(allowed);
        let program = programs.of(expression);
        let value = match program.as_ref() {
            Ok(program) => program.evaluate(variables, &mut budget).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        left -= allowed - budget.left();
        match value {
            Ok(Value::Bool(true)) => {}
            Ok(Value::Bool(false)) => return Outcome::NotMet,
            Ok(other) => errors.push(format!(
                "expression '{expression}' resulted in error: a {} is no bool",
                other.type_name()
            )),
            Err(error) => errors.push(format!("expression '{expression}' resulted in error: {error}")),
        }
    }
    if errors.is_empty() { Outcome::Met } else { Outcome::Failed(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expressions: &[&str], expected: Outcome) {
        let conditions: Vec<MatchCondition> = expressions
            .iter()
            .map(|expression| MatchCondition { name: "c".into(), expression: (*expression).into() })
            .collect();
        let request = serde_json::json!({"operation": "CREATE"});
        let variables = BTreeMap::from([
            ("object", Value::Null),
            ("oldObject", Value::Null),
            ("request", Value::from_json(&request)),
        ]);
        assert_eq!(evaluate(&Programs::default(), &conditions, &variables), expected, "{expressions:?}");
    }

    #[test]
    fn one_false_condition_outweighs_failures() {
        check(&["request.operation == 'CREATE'", "oldObject == null"], Outcome::Met);
        check(&["object.name == 'x'", "request.operation == 'DELETE'"], Outcome::NotMet);
        let failed = "expression 'object.name == 'x'' resulted in error: no such overload".to_owned();
        check(&["true", "object.name == 'x'"], Outcome::Failed(vec![failed]));
    }
}
