//! Rules of limit ranges.

pub mod defaults;
