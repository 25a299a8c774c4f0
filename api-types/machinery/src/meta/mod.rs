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

impl crate::Resource for v1::PartialObjectMetadata {
    const GROUP: &'static str = "meta.k8s.io";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "PartialObjectMetadata";
    // Stands in for objects of any resource and has no path of its own.
    const PLURAL: &'static str = "";
    const NAMESPACED: bool = true;

    fn metadata(&self) -> &v1::ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut v1::ObjectMeta {
        &mut self.metadata
    }
}
