//! Rules written as expressions (`x-kubernetes-validations`): compiled with the schema, asked about every value.

use std::collections::BTreeMap;
use std::sync::Arc;

use apiserver_cel::{Budget, Program, Value as CelValue};
use machinery::field::{Error, ErrorList, Path};
use serde_json::Value;

use super::schema::{ListType, Schema};
use super::validate::type_of;

/// Steps that all rules of one object may take together; upstream's `RuntimeCELCostBudget`.
const STEPS: u64 = 10_000_000;

/// One rule of a node.
#[derive(Debug)]
pub struct Rule {
    condition: Program,
    /// Whether it compares with the value before: it holds for new values by itself.
    of_transitions: bool,
    /// Whether the value before is an optional one, which is there always.
    optional_old: bool,
    message: String,
    message_expression: Option<Program>,
    reason: String,
    field_path: String,
}

const VARIABLES: [&str; 2] = ["self", "oldSelf"];

impl Rule {
    /// Compiles a rule in its JSON form; the error names the part that is refused, and why.
    pub fn compile(source: &Value) -> Result<Arc<Rule>, (&'static str, String)> {
        let text =
            |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let rule = text("rule");
        let optional_old = source.get("optionalOldSelf").and_then(Value::as_bool) == Some(true);
        let condition =
            Program::compile_condition(&rule, &VARIABLES).map_err(|error| ("rule", error.to_string()))?;
        let message_expression = match text("messageExpression").as_str() {
            "" => None,
            source => Some(
                Program::compile(source, &VARIABLES)
                    .map_err(|error| ("messageExpression", error.to_string()))?,
            ),
        };
        let message = match text("message") {
            given if given.is_empty() => format!("failed rule: {rule}"),
            given => given,
        };
        Ok(Arc::new(Rule {
            of_transitions: rule.contains("oldSelf") && !optional_old,
            optional_old,
            condition,
            message,
            message_expression,
            reason: text("reason"),
            field_path: text("fieldPath"),
        }))
    }

    fn check(&self, path: &str, new: &Value, old: Option<&Value>, budget: &mut Budget) -> Option<Error> {
        if self.of_transitions && old.is_none() {
            return None;
        }
        let mut variables: BTreeMap<&str, CelValue> = BTreeMap::new();
        variables.insert("self", CelValue::from_json(new));
        let before = old.map(CelValue::from_json);
        if self.optional_old {
            variables.insert("oldSelf", CelValue::Optional(before.map(Box::new)));
        } else if let Some(before) = before {
            variables.insert("oldSelf", before);
        }
        let at = |path: String| if path.is_empty() { Path::nil() } else { Path::new(path) };
        let detail = match self.condition.evaluate(&variables, budget) {
            Ok(CelValue::Bool(true)) => return None,
            Ok(CelValue::Bool(false)) => {
                let made = self.message_expression.as_ref();
                let made = made.and_then(|message| message.evaluate(&variables, budget).ok());
                match made {
                    Some(CelValue::String(made)) if !made.trim().is_empty() => made.to_string(),
                    _ => self.message.clone(),
                }
            }
            Ok(other) => format!("rule evaluation error: expected bool, got {}", other.type_name()),
            Err(error) => format!("rule evaluation error: {error}"),
        };
        let path = at(format!("{path}{}", self.field_path).trim_start_matches('.').to_owned());
        Some(match self.reason.as_str() {
            "FieldValueRequired" => Error::required(&path, detail),
            "FieldValueForbidden" => Error::forbidden(&path, detail),
            "FieldValueDuplicate" => Error::duplicate(&path, type_of(new)),
            _ => Error::invalid(&path, type_of(new), detail),
        })
    }
}

/// Every rule that `new` breaks; what an update left alone is not judged again.
pub fn check(new: &Value, old: Option<&Value>, schema: &Schema) -> ErrorList {
    let mut errors = ErrorList::new();
    walk("", new, old, schema, &mut Budget::new(STEPS), &mut errors);
    errors
}

fn walk(
    path: &str,
    new: &Value,
    old: Option<&Value>,
    schema: &Schema,
    budget: &mut Budget,
    errors: &mut ErrorList,
) {
    if old == Some(new) || new.is_null() {
        return;
    }
    errors.extend(schema.rules.iter().filter_map(|rule| rule.check(path, new, old, budget)));
    match new {
        Value::Object(object) => {
            for (name, value) in object {
                let Some(field) = schema.field(name) else { continue };
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&inner, value, old.and_then(|old| old.get(name)), field, budget, errors);
            }
        }
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            let before = old.and_then(Value::as_array);
            for (index, item) in list.iter().enumerate() {
                // Only elements with keys have a past of their own.
                let old = match &schema.list_type {
                    ListType::Map(keys) => before.and_then(|before| {
                        before.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
                    }),
                    _ => None,
                };
                walk(&format!("{path}[{index}]"), item, old, items, budget, errors);
            }
        }
        _ => {}
    }
}
