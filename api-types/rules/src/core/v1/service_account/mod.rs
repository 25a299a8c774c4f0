//! Rules of service accounts.

pub mod validation;
