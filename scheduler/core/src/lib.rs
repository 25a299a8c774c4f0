//! The scheduler's decisions, free of I/O and of clocks: which node a pod gets, who has to go for it, and when a
//! pod that fits nowhere is tried again.

pub mod amounts;
pub mod cluster;
pub mod cycle;
pub mod framework;
pub mod node;
pub mod plugins;
pub mod pod;
pub mod preemption;
pub mod queue;
#[cfg(test)]
mod tests;
