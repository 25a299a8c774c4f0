//! Rules of jobs.

pub mod defaults;
pub mod indexes;
pub mod meaning;
pub mod policies;
pub mod status;
pub mod validation;
