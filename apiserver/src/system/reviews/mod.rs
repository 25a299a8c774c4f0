//! Reviews: questions about access and identity, answered from the authorizers and authenticators.

pub mod access;
pub mod identity;
pub mod rules;
