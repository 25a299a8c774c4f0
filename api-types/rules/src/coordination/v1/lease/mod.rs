//! Rules of leases.

pub mod validation;
