//! Admission: plugins that complete or refuse what has been authenticated, authorized and decoded.
//!
//! A write asks every plugin twice: [`Plugin::admit`] may change the object and runs before the strategy of the
//! resource, [`Plugin::validate`] judges the final object right before it is stored.

pub mod always_pull_images;
mod attributes;
pub mod certificates;
pub mod claim_resize;
mod configuration;
pub mod default_class;
pub mod default_toleration_seconds;
pub mod deny_service_external_ips;
pub mod limit_ranger;
mod lookup;
mod metrics;
pub mod namespace_lifecycle;
pub mod node_restriction;
mod plugin;
pub mod pod_resize;
pub mod pod_security;
pub mod pod_topology_labels;
pub mod priority;
mod refusal;
pub mod resource_quota;
mod rounds;
pub mod runtime_class;
mod selection;
pub mod service_account;
mod signing_request;
pub mod storage_protection;
mod table;
pub mod taint_nodes_by_condition;
#[cfg(test)]
mod testing;
pub mod webhooks;

pub use attributes::{Attributes, Notes, Operation, Options};
pub use configuration::ConfigurationError;
pub use lookup::{Lookup, Objects};
pub use metrics::AdmissionMetrics;
pub use plugin::{Chain, Plugin};
pub use rounds::Rounds;
pub use selection::{find, select};
pub use table::{Make, Means, Row, all};
