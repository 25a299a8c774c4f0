//! Rules of cron jobs.

pub mod defaults;
