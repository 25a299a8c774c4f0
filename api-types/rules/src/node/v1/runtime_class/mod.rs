//! Rules of runtime class.

pub mod validation;
