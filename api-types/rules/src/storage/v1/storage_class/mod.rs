//! Rules of storage class.

pub mod defaults;
