//! Rules of volume attributes class.

pub mod validation;
