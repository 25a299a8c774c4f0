//! kubelet-core.
