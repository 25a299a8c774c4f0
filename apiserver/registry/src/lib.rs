//! apiserver-registry.
