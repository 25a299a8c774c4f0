//! Resources of group `batch`.

pub mod cronjobs;
pub mod jobs;
