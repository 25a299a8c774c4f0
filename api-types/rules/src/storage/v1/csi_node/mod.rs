//! Rules of csi nodes.

pub mod validation;
