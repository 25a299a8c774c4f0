//! Rules of jobs.

pub mod defaults;
