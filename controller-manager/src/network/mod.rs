//! Controllers of Services: who answers behind them.

pub(crate) mod endpoints;
pub(crate) mod endpointslice;
pub(crate) mod endpointslicemirroring;
mod members;
pub(crate) mod servicecidrs;
mod subsets;

/// Label of slices with the name of their Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of slices with their manager.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Label of what belongs to a headless Service.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// Annotation with the time of the change that led to a write.
const LAST_CHANGE: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Annotation of objects that are a lock of a leader election.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
