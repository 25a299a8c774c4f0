//! What lives inside the server: loops that keep the cluster's own objects, indexes fed from the stores,
//! and resources that are answered rather than stored.

pub mod admission_objects;
pub mod authentication_config;
pub mod authorization_feed;
pub mod default_namespaces;
pub mod default_service_cidr;
pub mod escalation_hooks;
pub mod flow_control_objects;
pub mod follow;
pub mod hooks;
pub mod identity_lease;
pub mod kubernetes_service;
pub mod priority_classes;
pub mod privileged_pods;
mod quota_status;
pub mod rbac_bootstrap;
pub mod reviews;
pub mod server_side;
pub mod token_objects;
pub mod token_requests;
pub mod typed;
pub mod virtual_resources;
