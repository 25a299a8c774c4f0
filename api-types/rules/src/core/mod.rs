//! Rules of the core group.

pub mod v1;
