//! Rules of ingress class.

pub mod defaults;
pub mod validation;
