//! Rules of pod templates.

pub mod defaults;
pub mod validation;
