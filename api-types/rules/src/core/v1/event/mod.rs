//! Rules of events.

pub mod validation;
