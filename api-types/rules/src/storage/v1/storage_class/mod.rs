//! Rules of storage class.

pub mod defaults;
pub mod validation;
