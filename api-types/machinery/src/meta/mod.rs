//! `meta.k8s.io`: metadata, options and status that every kind shares.

mod generated;

/// Version v1, the only one.
pub mod v1 {
    pub use super::generated::*;
    pub use crate::raw::RawJson as FieldsV1;

    /// Kinds of `meta.k8s.io/v1` that appear under the name of every group and version.
    pub static KINDS: &[(&str, &crate::schema::Message)] = &[
        ("CreateOptions", &CREATE_OPTIONS),
        ("DeleteOptions", &DELETE_OPTIONS),
        ("GetOptions", &GET_OPTIONS),
        ("ListOptions", &LIST_OPTIONS),
        ("PatchOptions", &PATCH_OPTIONS),
        ("Status", &STATUS),
        ("UpdateOptions", &UPDATE_OPTIONS),
        ("WatchEvent", &WATCH_EVENT),
        ("APIGroup", &API_GROUP),
        ("APIGroupList", &API_GROUP_LIST),
        ("APIResourceList", &API_RESOURCE_LIST),
        ("APIVersions", &API_VERSIONS),
        ("PartialObjectMetadata", &PARTIAL_OBJECT_METADATA),
        ("PartialObjectMetadataList", &PARTIAL_OBJECT_METADATA_LIST),
    ];
}
