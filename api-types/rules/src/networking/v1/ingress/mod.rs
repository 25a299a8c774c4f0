//! Rules of ingress.

pub mod validation;
