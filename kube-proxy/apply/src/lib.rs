//! kube-proxy-apply.
