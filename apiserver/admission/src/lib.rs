//! apiserver-admission.
