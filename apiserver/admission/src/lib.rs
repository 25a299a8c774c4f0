//! Admission: plugins that complete or refuse what has been authenticated, authorized and decoded.
//!
//! A write asks every plugin twice: [`Plugin::admit`] may change the object and runs before the strategy of the
//! resource, [`Plugin::validate`] judges the final object right before it is stored.

mod attributes;
pub mod limit_ranger;
mod plugin;
mod refusal;

pub use attributes::{Attributes, Notes, Operation, Options};
pub use plugin::{Chain, Plugin};
