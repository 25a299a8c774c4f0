//! Rules of ingress class.

pub mod defaults;
