//! Rules of horizontal pod autoscalers.

pub mod defaults;
pub mod validation;
