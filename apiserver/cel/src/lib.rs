//! CEL as Kubernetes has it: expressions are compiled once, evaluated over JSON, and never run longer than their
//! budget. Pure, but for the thread on whose great stack the parser runs.
//!
//! `program` (text → checked expression) → `evaluate` (expression → value, each step charged to a budget) →
//! `operators`, `functions` and `library` (what is called) over `value`.
//!
//! Not there yet, and refused when an expression is compiled: `authorizer`, `semver`, `format` and declared types of
//! schemas, with which strings would be timestamps and numbers quantities; here values are what JSON says.

mod evaluate;
mod functions;
mod library;
mod operators;
mod program;
mod times;
mod value;

#[cfg(test)]
mod tests;

pub use evaluate::{Budget, EvaluationError};
pub use program::{CompileError, Program};
pub use value::{Key, Value};
