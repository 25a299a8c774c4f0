//! Rules of token requests.

pub mod defaults;
