//! Rules of group `apps`.

pub mod v1;
