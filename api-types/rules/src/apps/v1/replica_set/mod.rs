//! Rules of replica sets.

pub mod defaults;
