//! Rules of `policy` in version `v1`.

pub mod pod_disruption_budget;
