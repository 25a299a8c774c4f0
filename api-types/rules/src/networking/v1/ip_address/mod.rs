//! Rules of ip address.

pub mod validation;
