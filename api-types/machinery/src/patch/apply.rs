//! Server-side apply: who owns which field of an object, and what an apply makes of the object
//! (`apimachinery/pkg/util/managedfields` over structured-merge-diff).
//!
//! Guarantees: nothing here looks at the clock, and entries come out in upstream's order and encoding, so that both
//! servers can write the same objects. Assumptions: objects are in the version of the request, and fit its shape.

mod compare;
mod conflict;
mod managed;
mod manager;
mod merge;
mod path;
mod reconcile;
mod remove;
pub mod scale;
mod set;
#[cfg(test)]
mod tests;
mod typed;
mod updater;

pub use compare::{Comparison, compare};
pub use conflict::Conflict;
pub use managed::{APPLY, ManagedFieldsError, UPDATE, differ_in_time_only};
pub use manager::{FieldManager, LAST_APPLIED_ANNOTATION, empty_object, is_reset, manager_name};
pub use merge::merge;
pub use path::{PathElement, PathElementError};
pub use remove::{extract, remove};
pub use set::{Filter, Path, Set, show_path};
pub use typed::{ShapeError, ShapeErrors, field_set, validate};
pub use updater::{SingleVersion, Versions};

use crate::status::StatusError;

/// Why an apply fails.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// Other managers own fields which the apply changes.
    #[error("{}", conflict::message(.0))]
    Conflicts(Vec<Conflict>),
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// An object cannot be read as its kind.
    #[error("{0}")]
    Internal(String),
}

impl ApplyError {
    /// How the apiserver answers an apply which fails so.
    pub fn to_status(&self) -> StatusError {
        match self {
            ApplyError::Conflicts(conflicts) => conflict::to_status(conflicts),
            ApplyError::BadRequest(message) => StatusError::bad_request(message.clone()),
            ApplyError::Internal(message) => StatusError::new(500, "", message.clone()),
        }
    }
}
