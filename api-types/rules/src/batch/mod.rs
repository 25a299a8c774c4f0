//! Rules of group `batch`.

pub mod v1;
