//! Expressions, read and checked: syntax, names of variables and functions, and the type of the whole where it shows.

use std::collections::BTreeMap;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::parser::Parser;

use crate::evaluate::{Budget, Evaluation, EvaluationError};
use crate::functions;
use crate::value::Value;

/// Brackets nested deeper are refused, as upstream's parser does.
const DEEPEST_BRACKETS: u16 = 250;
/// Expressions nested deeper are refused: a walk must fit on the stack of whoever makes it.
const DEEPEST: usize = 100;
/// Longer expressions are refused.
const LONGEST: usize = 20_000;
/// The parser goes deep; so much address space is always enough for [`LONGEST`].
const STACK: usize = 512 << 20;

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub String);

/// An expression that can be evaluated.
#[derive(Debug)]
pub struct Program {
    expression: IdedExpr,
}

impl Program {
    /// Reads an expression over the given variables.
    ///
    /// # Errors
    /// When it cannot be read, or names a variable or function that is not there.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Program, CompileError> {
        check_size(source)?;
        std::thread::scope(|scope| {
            let parsing = || Program::parse(source, variables);
            let parser = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parsing);
            let parser = parser.map_err(|error| CompileError(format!("compilation failed: {error}")))?;
            parser.join().unwrap_or_else(|_| {
                Err(CompileError("compilation failed: the parser has given up".to_owned()))
            })
        })
    }

    fn parse(source: &str, variables: &[&str]) -> Result<Program, CompileError> {
        let parser = Parser::new()
            .max_recursion_depth(DEEPEST_BRACKETS)
            .enable_optional_syntax(true)
            .enable_ident_escape_syntax(true);
        let (expression, info) = parser
            .parse_with_source_info(source)
            .map_err(|error| CompileError(format!("compilation failed: {error}")))?;
        if depth(&expression) > DEEPEST {
            let text = format!("compilation failed: the expression is nested deeper than {DEEPEST}");
            return Err(CompileError(text));
        }
        let mut known: Vec<String> = variables.iter().map(|name| (*name).to_owned()).collect();
        check(&expression, &mut known, &info)?;
        Ok(Program { expression })
    }

    /// As [`Program::compile`], for an expression that must be a condition.
    ///
    /// # Errors
    /// Also when it is plain that the expression is no `bool`.
    pub fn compile_condition(source: &str, variables: &[&str]) -> Result<Program, CompileError> {
        let program = Program::compile(source, variables)?;
        match plain_type(&program.expression.expr) {
            Some(found) if found != "bool" => Err(CompileError("must evaluate to bool".to_owned())),
            _ => Ok(program),
        }
    }

    /// The value, with these variables; each step is charged to the budget.
    ///
    /// # Errors
    /// What went wrong, in upstream's words, or that the budget is spent.
    pub fn evaluate(
        &self,
        variables: &BTreeMap<&str, Value>,
        budget: &mut Budget,
    ) -> Result<Value, EvaluationError> {
        Evaluation::new(variables, budget).value(&self.expression)
    }
}

/// What would take the parser too deep is refused before it is parsed.
fn check_size(source: &str) -> Result<(), CompileError> {
    let refused = |text: String| Err(CompileError(format!("compilation failed: {text}")));
    if source.len() > LONGEST {
        return refused(format!("the expression is longer than {LONGEST} bytes"));
    }
    let (mut depth, mut deepest, mut choices) = (0u16, 0u16, 0u16);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'?' => choices = choices.saturating_add(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > DEEPEST_BRACKETS {
        return refused(format!("expression recursion limit exceeded: {DEEPEST_BRACKETS}"));
    }
    if choices > DEEPEST_BRACKETS {
        return refused(format!("more than {DEEPEST_BRACKETS} question marks"));
    }
    Ok(())
}

/// How deep the expression is nested.
fn depth(expression: &IdedExpr) -> usize {
    let deepest = |parts: &mut dyn Iterator<Item = &IdedExpr>| parts.map(depth).max().unwrap_or(0);
    1 + match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => 0,
        Expr::Select(select) => depth(&select.operand),
        Expr::Call(call) => deepest(&mut call.target.as_deref().into_iter().chain(&call.args)),
        Expr::List(list) => deepest(&mut list.elements.iter()),
        Expr::Map(map) => map.entries.iter().map(|entry| entry_depth(&entry.expr)).max().unwrap_or(0),
        Expr::Struct(made) => made.entries.iter().map(|entry| entry_depth(&entry.expr)).max().unwrap_or(0),
        Expr::Comprehension(loop_) => deepest(
            &mut [&loop_.iter_range, &loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result]
                .into_iter(),
        ),
    }
}

fn entry_depth(entry: &EntryExpr) -> usize {
    match entry {
        EntryExpr::MapEntry(entry) => depth(&entry.key).max(depth(&entry.value)),
        EntryExpr::StructField(field) => depth(&field.value),
    }
}

fn refused(info: &SourceInfo, id: u64, message: &str) -> CompileError {
    let offset = info.offset_for(id).map_or(0, |(start, _)| start as usize);
    let mut rest = offset;
    for (number, line) in info.source.split('\n').enumerate() {
        let length = line.chars().count();
        if rest <= length {
            let (shown, at) = (line.trim_end_matches('\r'), rest + 1);
            let arrow = format!("{}^", ".".repeat(rest));
            return CompileError(format!(
                "compilation failed: ERROR: <input>:{}:{at}: {message}\n | {shown}\n | {arrow}",
                number + 1
            ));
        }
        rest -= length + 1;
    }
    CompileError(format!("compilation failed: ERROR: <input>:1:1: {message}"))
}

fn check(expression: &IdedExpr, known: &mut Vec<String>, info: &SourceInfo) -> Result<(), CompileError> {
    let undeclared = |name: &str| {
        refused(info, expression.id, &format!("undeclared reference to '{name}' (in container '')"))
    };
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => {
            let plain = name.trim_start_matches('.');
            let found = known.iter().any(|known| known == plain) || functions::type_of_name(plain).is_some();
            if found { Ok(()) } else { Err(undeclared(plain)) }
        }
        Expr::Select(select) => check(&select.operand, known, info),
        Expr::Call(call) => {
            let qualified = functions::qualified(call, |name| known.iter().any(|known| known == name));
            let name = qualified.as_deref().unwrap_or(&call.func_name);
            if qualified.is_none()
                && let Some(target) = &call.target
            {
                check(target, known, info)?;
            }
            if !functions::is_known(name) {
                return Err(undeclared(name));
            }
            call.args.iter().try_for_each(|argument| check(argument, known, info))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|element| check(element, known, info)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                check(&entry.key, known, info)?;
                check(&entry.value, known, info)
            }
            EntryExpr::StructField(field) => check(&field.value, known, info),
        }),
        Expr::Struct(made) => Err(undeclared(&made.type_name)),
        Expr::Comprehension(comprehension) => {
            check(&comprehension.iter_range, known, info)?;
            check(&comprehension.accu_init, known, info)?;
            let outer = known.len();
            known.push(comprehension.iter_var.clone());
            known.extend(comprehension.iter_var2.clone());
            known.push(comprehension.accu_var.clone());
            let outcome = [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
                .into_iter()
                .try_for_each(|part| check(part, known, info));
            known.truncate(outer);
            outcome
        }
    }
}

/// The type of an expression where it does not depend on variables.
fn plain_type(expression: &Expr) -> Option<&'static str> {
    match expression {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Call(call) => match call.func_name.as_str() {
            "size" => Some("int"),
            "string" => Some("string"),
            _ => None,
        },
        _ => None,
    }
}
