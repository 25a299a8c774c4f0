//! Rules of group `policy`.

pub mod v1;
