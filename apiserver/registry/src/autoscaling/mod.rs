//! Resources of group `autoscaling`.

pub mod horizontalpodautoscalers;
