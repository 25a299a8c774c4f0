//! Rules of pod templates.

pub mod defaults;
