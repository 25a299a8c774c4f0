//! Rules of certificate signing requests.

pub mod validation;
