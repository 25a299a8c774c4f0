//! machinery.
pub mod field;
pub mod names;
pub mod quantity;
pub mod quote;
