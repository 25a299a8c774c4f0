//! Rules of `autoscaling` in version `v2`.

pub mod horizontal_pod_autoscaler;
