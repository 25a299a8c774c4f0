//! The kubelet's parts on a node made of plain memory, in paused time.

mod certificates;
mod events;
mod images;
mod metrics;
mod pods;
mod restarts;
mod statuses;
mod world;
