//! `meta.k8s.io`: metadata, options and status that every kind shares.

mod generated;

/// Version v1, the only one.
pub mod v1 {
    pub use super::generated::*;
    pub use crate::raw::RawJson as FieldsV1;
}
