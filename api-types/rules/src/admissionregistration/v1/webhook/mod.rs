//! Rules of webhooks.

pub mod client;
pub mod defaults;
pub mod rules;
pub mod validation;
