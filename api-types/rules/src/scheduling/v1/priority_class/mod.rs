//! Rules of priority class.

pub mod defaults;
