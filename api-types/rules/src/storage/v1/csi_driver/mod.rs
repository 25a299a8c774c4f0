//! Rules of csi drivers.

pub mod defaults;
pub mod validation;
