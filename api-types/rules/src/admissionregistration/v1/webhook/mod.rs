//! Rules of webhooks.

pub mod defaults;
