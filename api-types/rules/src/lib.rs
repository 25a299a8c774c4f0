//! What every reader of the API must agree on: defaults, validation and the meaning of fields, as pure functions.
//!
//! The tree follows the API: `<group>/<version>/<kind>/{defaults,validation,meaning}`. Nothing here reads files, the
//! environment or a clock; where time matters it is the argument `now`.

pub mod addresses;
pub mod admissionregistration;
pub mod apps;
pub mod authentication;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod duration;
pub mod flowcontrol;
pub mod meta;
pub mod networking;
pub mod node;
pub mod policy;
pub mod rbac;
pub mod report;
pub mod scaling;
pub mod scheduling;
pub mod selector;
pub mod storage;
