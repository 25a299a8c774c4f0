//! Rules of `flowcontrol.apiserver.k8s.io` in version `v1`.

pub mod bootstrap;
pub mod flow_schema;
pub mod priority_level_configuration;
