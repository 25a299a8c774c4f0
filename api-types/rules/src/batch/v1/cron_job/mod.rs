//! Rules of cron jobs.

pub mod defaults;
pub mod schedule;
pub mod validation;
