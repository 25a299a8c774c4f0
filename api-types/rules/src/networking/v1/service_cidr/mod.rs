//! Rules of service cidrs.

pub mod validation;
