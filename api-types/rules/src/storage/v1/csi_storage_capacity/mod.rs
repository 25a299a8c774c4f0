//! Rules of csi storage capacity.

pub mod validation;
