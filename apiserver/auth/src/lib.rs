//! apiserver-auth.
