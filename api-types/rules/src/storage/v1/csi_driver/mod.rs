//! Rules of csi drivers.

pub mod defaults;
