//! The walk through an expression. Each step costs; what runs out of its budget ends.
//!
//! Costs follow `k8s.io/apiserver/pkg/cel/library/cost.go` in kind: a step costs 1, walking through strings and lists a
//! tenth of their length.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use crate::functions;
use crate::operators;
use crate::value::{Key, Value};

/// What one walk may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// So many steps.
    pub fn new(steps: u64) -> Budget {
        Budget { left: steps }
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn charge(&mut self, cost: u64) -> Result<(), EvaluationError> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(EvaluationError::Cost)
            }
        }
    }

    /// Charges for walking through something of this size.
    pub(crate) fn walk(&mut self, size: u64) -> Result<(), EvaluationError> {
        self.charge(size.div_ceil(10))
    }
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// What the expression does is not possible.
    #[error("{0}")]
    Failed(String),
    /// It costs too much.
    #[error("operation cancelled: actual cost limit exceeded")]
    Cost,
}

impl EvaluationError {
    pub(crate) fn new(message: impl Into<String>) -> EvaluationError {
        EvaluationError::Failed(message.into())
    }

    /// No overload of a function takes such arguments.
    pub(crate) fn no_overload() -> EvaluationError {
        EvaluationError::new("no such overload")
    }

    pub(crate) fn no_key(name: &str) -> EvaluationError {
        EvaluationError::new(format!("no such key: {name}"))
    }
}

pub(crate) type Outcome = Result<Value, EvaluationError>;

/// One walk.
pub(crate) struct Evaluation<'a> {
    variables: &'a BTreeMap<&'a str, Value>,
    budget: &'a mut Budget,
    /// Variables of macros, innermost last. What has failed in one round may be made up for in a later one.
    scopes: Vec<(&'a str, Outcome)>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(variables: &'a BTreeMap<&'a str, Value>, budget: &'a mut Budget) -> Evaluation<'a> {
        Evaluation { variables, budget, scopes: Vec::new() }
    }

    pub(crate) fn value(&mut self, expression: &'a IdedExpr) -> Outcome {
        self.budget.charge(1)?;
        match &expression.expr {
            Expr::Unspecified => Err(EvaluationError::new("an empty expression has no value")),
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let mut values = Vec::with_capacity(list.elements.len());
                for (index, element) in list.elements.iter().enumerate() {
                    let value = self.value(element)?;
                    if !list.optional_indices.contains(&index) {
                        values.push(value);
                    } else if let Some(value) = optional(value)? {
                        values.push(value);
                    }
                }
                Ok(Value::list(values))
            }
            Expr::Map(map) => {
                let mut fields = BTreeMap::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let key = self.value(&entry.key)?;
                    let key = key.as_key().ok_or_else(|| {
                        EvaluationError::new(format!("unsupported key type: {}", key.type_name()))
                    })?;
                    let mut value = Some(self.value(&entry.value)?);
                    if entry.optional {
                        value = value.map(optional).transpose()?.flatten();
                    }
                    if let Some(value) = value {
                        fields.insert(key, value);
                    }
                }
                Ok(Value::Map(Arc::new(fields)))
            }
            Expr::Struct(made) => Err(EvaluationError::new(format!("unknown type: {}", made.type_name))),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn variable(&mut self, name: &str) -> Outcome {
        let plain = name.trim_start_matches('.');
        if let Some((_, outcome)) = self.scopes.iter().rev().find(|(of, _)| *of == plain) {
            return outcome.clone();
        }
        let found = self.variables.get(plain);
        found
            .cloned()
            .or_else(|| functions::type_of_name(plain).map(Value::Type))
            .ok_or_else(|| EvaluationError::new(format!("no such attribute(s): {plain}")))
    }

    fn is_variable(&self, name: &str) -> bool {
        self.variables.contains_key(name) || self.scopes.iter().any(|(of, _)| *of == name)
    }

    fn select(&mut self, select: &'a SelectExpr) -> Outcome {
        let operand = self.value(&select.operand)?;
        let key = Key::String(Arc::from(select.field.as_str()));
        if select.test {
            return Ok(Value::Bool(match &operand {
                Value::Map(fields) => fields.contains_key(&key),
                Value::Optional(inner) => {
                    matches!(inner.as_deref(), Some(Value::Map(fields)) if fields.contains_key(&key))
                }
                _ => return Err(EvaluationError::no_overload()),
            }));
        }
        match operand {
            // Selecting on an optional value gives an optional value.
            Value::Optional(inner) => Ok(operators::maybe_at(inner.map(|inner| *inner), &key.to_value())),
            Value::Map(fields) => {
                fields.get(&key).cloned().ok_or_else(|| EvaluationError::no_key(&select.field))
            }
            _ => Err(EvaluationError::no_overload()),
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> Outcome {
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_&&_", arguments) => return self.logic(arguments, false),
            ("_||_", arguments) => return self.logic(arguments, true),
            ("_?_:_", [condition, yes, no]) => {
                return match self.value(condition)? {
                    Value::Bool(true) => self.value(yes),
                    Value::Bool(false) => self.value(no),
                    _ => Err(EvaluationError::no_overload()),
                };
            }
            ("@not_strictly_false", [argument]) => {
                return match self.value(argument) {
                    Err(EvaluationError::Cost) => Err(EvaluationError::Cost),
                    outcome => Ok(Value::Bool(!matches!(outcome, Ok(Value::Bool(false))))),
                };
            }
            ("_+_", [left, right]) => return self.add(left, right),
            ("_?._", [operand, field]) => {
                let (operand, field) = (self.value(operand)?, self.value(field)?);
                return operators::optional_at(operand, &field);
            }
            _ => {}
        }
        let qualified = functions::qualified(call, |name| self.is_variable(name));
        let mut arguments = Vec::with_capacity(call.args.len() + 1);
        if qualified.is_none()
            && let Some(target) = &call.target
        {
            let target = self.value(target)?;
            if let Some(done) = self.of_optional(&call.func_name, &target, &call.args) {
                return done;
            }
            arguments.push(target);
        }
        for argument in &call.args {
            arguments.push(self.value(argument)?);
        }
        let name = qualified.as_deref().unwrap_or(&call.func_name);
        if let Some(done) = operators::apply(name, &arguments, self.budget) {
            return done;
        }
        functions::call(name, &arguments, self.budget)
    }

    /// The other value is asked for only when there is none.
    fn of_optional(&mut self, name: &str, target: &Value, arguments: &'a [IdedExpr]) -> Option<Outcome> {
        let (Value::Optional(inner), [other]) = (target, arguments) else { return None };
        match (name, inner) {
            ("orValue", Some(inner)) => Some(Ok(*inner.clone())),
            ("or", Some(_)) => Some(Ok(target.clone())),
            ("orValue" | "or", None) => Some(self.value(other)),
            _ => None,
        }
    }

    /// `&&` and `||`: one decisive operand decides, whatever happens to the others.
    fn logic(&mut self, arguments: &'a [IdedExpr], decisive: bool) -> Outcome {
        let mut failure = None;
        for argument in arguments {
            match self.value(argument) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Err(EvaluationError::Cost) => return Err(EvaluationError::Cost),
                Ok(_) => {
                    failure.get_or_insert_with(EvaluationError::no_overload);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    /// What macros add to their result is added in place.
    fn add(&mut self, left: &'a IdedExpr, right: &'a IdedExpr) -> Outcome {
        if let Expr::Ident(name) = &left.expr
            && let Some(at) = self.scopes.iter().rposition(|(of, _)| of == name)
            && matches!(self.scopes.get(at), Some((_, Ok(Value::List(_)))))
        {
            let more = self.value(right)?;
            let Value::List(more) = more else { return Err(EvaluationError::no_overload()) };
            let taken = self.scopes.get_mut(at).map(|(_, value)| {
                if is_result(name) { std::mem::replace(value, Ok(Value::Null)) } else { value.clone() }
            });
            let Some(Ok(Value::List(mut list))) = taken else { return Err(EvaluationError::no_overload()) };
            Arc::make_mut(&mut list).extend(more.iter().cloned());
            return Ok(Value::List(list));
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        operators::add(left, right, self.budget)
    }

    fn comprehension(&mut self, comprehension: &'a ComprehensionExpr) -> Outcome {
        let range = self.value(&comprehension.iter_range)?;
        let accumulated = self.value(&comprehension.accu_init);
        let items: Vec<(Value, Value)> = match (&range, &comprehension.iter_var2) {
            (Value::List(values), None) => values.iter().map(|value| (value.clone(), Value::Null)).collect(),
            (Value::Map(fields), None) => fields.keys().map(|key| (key.to_value(), Value::Null)).collect(),
            (Value::List(values), Some(_)) => {
                (0i64..).zip(values.iter()).map(|(at, value)| (Value::Int(at), value.clone())).collect()
            }
            (Value::Map(fields), Some(_)) => {
                fields.iter().map(|(key, value)| (key.to_value(), value.clone())).collect()
            }
            _ => return Err(EvaluationError::no_overload()),
        };
        let outer = self.scopes.len();
        self.scopes.push((&comprehension.accu_var, accumulated));
        let outcome = self.loop_over(comprehension, items, outer);
        self.scopes.truncate(outer);
        outcome
    }

    fn loop_over(
        &mut self,
        comprehension: &'a ComprehensionExpr,
        items: Vec<(Value, Value)>,
        accumulator: usize,
    ) -> Outcome {
        for (first, second) in items {
            self.scopes.push((&comprehension.iter_var, Ok(first)));
            if let Some(name) = &comprehension.iter_var2 {
                self.scopes.push((name, Ok(second)));
            }
            let goes_on = match self.value(&comprehension.loop_cond)? {
                Value::Bool(goes_on) => goes_on,
                _ => return Err(EvaluationError::no_overload()),
            };
            if goes_on {
                let value = match self.value(&comprehension.loop_step) {
                    Err(EvaluationError::Cost) => return Err(EvaluationError::Cost),
                    outcome => outcome,
                };
                if let Some((_, accumulated)) = self.scopes.get_mut(accumulator) {
                    *accumulated = value;
                }
            }
            self.scopes.truncate(accumulator + 1);
            if !goes_on {
                break;
            }
        }
        self.value(&comprehension.result)
    }
}

/// The names that the parser's macros give what they collect; no identifier can be written so.
fn is_result(name: &str) -> bool {
    name.starts_with('@') || name.starts_with("__")
}

fn optional(value: Value) -> Result<Option<Value>, EvaluationError> {
    match value {
        Value::Optional(inner) => Ok(inner.map(|inner| *inner)),
        _ => Err(EvaluationError::no_overload()),
    }
}

fn of_literal(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Value::Bytes(Arc::from(value.inner())),
        LiteralValue::Double(value) => Value::Double(*value.inner()),
        LiteralValue::Int(value) => Value::Int(*value.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => Value::text(value.inner()),
        LiteralValue::UInt(value) => Value::Uint(*value.inner()),
    }
}
