//! Custom resources: kinds that are defined at run time by a structural schema, under the rules built-in kinds have.
//!
//! `kind` (a definition, compiled) → `object` (one object of it) → `tidy` (prune, default) → `validate` → `strategy`.
//! What is compiled once per definition is shared by all its objects.

pub mod columns;
pub mod expressions;
pub mod formats;
pub mod json_path;
pub mod kind;
pub mod object;
pub mod schema;
pub mod strategy;
pub mod tidy;
pub mod validate;

#[cfg(test)]
mod tests;

pub use kind::{CustomKind, CustomVersion};
pub use object::CustomObject;
pub use strategy::{CUSTOM_SCALING, CustomStrategy, STATUS_VIEW};
