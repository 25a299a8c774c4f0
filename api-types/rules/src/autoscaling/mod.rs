//! Rules of group `autoscaling`.

pub mod v1;
pub mod v2;
