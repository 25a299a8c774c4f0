//! kube-proxy-core.
