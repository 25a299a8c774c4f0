//! The table of everything the API server serves: one row per resource, one strategy per row.
//!
//! A row ([`Entry`]) joins the generated facts of a kind (group, version, names, verbs, schema) with what is
//! particular to it: its [`Strategy`], its storage key, its printer columns and its subresources. The generic
//! endpoints and store know nothing else about a resource.
//!
//! Adding a resource is one line in [`table`], one folder `<group>/<resource>/{mod,columns,tests}.rs`, and its
//! pure rules in the `rules` crate.

mod table;

pub mod columns;
pub mod context;
pub mod custom;
pub mod entry;
pub mod erased;
pub mod objects;
pub mod reviews;
pub mod scaling;
pub mod strategy;
pub mod subresource;
pub mod warnings;

pub mod admissionregistration;
pub mod allocation;
pub mod apiextensions;
pub mod apps;
pub mod authentication;
pub mod authorization;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod flowcontrol;
pub mod networking;
pub mod node;
pub mod policy;
pub mod rbac;
pub mod scheduling;
pub mod storage;

pub use columns::{About, Column, Row};
pub use context::Context;
pub use entry::{Conversion, Entry, Stored};
pub use erased::{ErasedStrategy, ErasedView};
pub use objects::{Address, Objects, Pending, Reservation, WriteHooks};
pub use strategy::{GarbageCollection, Strategy, View};
pub use subresource::{Connect, Scaling, Subresource, SubresourceKind};
pub use table::{all, find, find_resource};
