//! Objects as bytes at a revision: the storage trait with its memory and etcd implementations,
//! encryption at rest, and the watch cache that serves every read.
//!
//! Nothing in this crate knows a kind. What selectors need of an object comes from the caller's
//! [`indexer::ObjectIndexer`]; stored values never carry `metadata.resourceVersion`, which is
//! spliced in when a value is loaded (module [`revision_splice`]).

pub mod cacher;
pub mod coalesce;
pub mod error;
pub mod etcd;
pub mod indexer;
pub mod memory;
pub mod revision_splice;
pub mod storage;
pub mod transform;

#[cfg(test)]
mod contract;

pub use cacher::{Cacher, CacherOptions, Freshness};
pub use error::StorageError;
pub use storage::{
    Event, EventKind, KeyValue, ListPage, ListQuery, Revision, Storage, WatchBatch, WatchStream,
};
