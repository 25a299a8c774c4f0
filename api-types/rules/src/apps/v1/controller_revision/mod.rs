//! Rules of controller revisions.

pub mod validation;
