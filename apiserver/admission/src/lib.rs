//! Admission: plugins that complete or refuse what has been authenticated, authorized and decoded.
//!
//! A write asks every plugin twice: [`Plugin::admit`] may change the object and runs before the strategy of the
//! resource, [`Plugin::validate`] judges the final object right before it is stored.

mod attributes;
pub mod limit_ranger;
mod lookup;
pub mod namespace_lifecycle;
mod plugin;
mod refusal;
pub mod service_account;
mod table;
#[cfg(test)]
mod testing;

pub use attributes::{Attributes, Notes, Operation, Options};
pub use lookup::{Lookup, Objects};
pub use plugin::{Chain, Plugin};
pub use table::{Make, Means, Row, all};
