//! Rules of resource quotas.

pub mod defaults;
