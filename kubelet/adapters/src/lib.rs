//! kubelet-adapters.
