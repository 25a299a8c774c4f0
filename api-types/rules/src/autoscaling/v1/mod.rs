//! Rules of `autoscaling` in version `v1`.

pub mod horizontal_pod_autoscaler;
