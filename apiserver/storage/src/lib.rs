//! apiserver-storage.
