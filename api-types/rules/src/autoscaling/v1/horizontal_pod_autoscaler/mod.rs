//! Rules of horizontal pod autoscalers.

pub mod conversion;
pub mod metrics;
