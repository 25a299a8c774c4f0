//! Facts of kinds and resources, looked up by name.

use machinery::schema::Message;

use crate::generated::facts_table::{KINDS, RESOURCES};

/// A kind, served or not.
#[derive(Debug)]
pub struct KindFacts {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Its fields.
    pub schema: &'static Message,
}

/// A resource that the API serves.
#[derive(Debug)]
pub struct ResourceFacts {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind of its objects.
    pub kind: &'static str,
    /// Plural name, as in paths.
    pub plural: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Objects live in a namespace.
    pub namespaced: bool,
    /// Verbs, sorted.
    pub verbs: &'static [&'static str],
    /// Short names for kubectl.
    pub short_names: &'static [&'static str],
    /// Categories for kubectl, such as `all`.
    pub categories: &'static [&'static str],
    /// What hangs below an object.
    pub subresources: &'static [SubresourceFacts],
    /// Fields of its objects.
    pub schema: &'static Message,
}

/// What hangs below an object, such as `status`.
#[derive(Debug)]
pub struct SubresourceFacts {
    /// Name in the path.
    pub name: &'static str,
    /// Group of the kind of its bodies.
    pub group: &'static str,
    /// Version of the kind of its bodies.
    pub version: &'static str,
    /// Kind of its bodies.
    pub kind: &'static str,
    /// Verbs, sorted.
    pub verbs: &'static [&'static str],
}

impl ResourceFacts {
    /// The `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        machinery::group::api_version(self.group, self.version)
    }

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&'static SubresourceFacts> {
        self.subresources.iter().find(|sub| sub.name == name)
    }
}

/// Every resource of upstream's API, ordered by group, version and name.
pub fn all() -> &'static [ResourceFacts] {
    RESOURCES
}

/// The resource `plural` of a group and version.
pub fn resource(group: &str, version: &str, plural: &str) -> Option<&'static ResourceFacts> {
    RESOURCES.iter().find(|r| r.plural == plural && r.group == group && r.version == version)
}

/// Every kind, ordered by group, version and kind.
pub fn kinds() -> &'static [KindFacts] {
    KINDS
}

/// The kind of that name; kinds of `meta.k8s.io` (`Status`, `DeleteOptions` …) are found in any group.
pub fn kind(group: &str, version: &str, kind: &str) -> Option<&'static KindFacts> {
    KINDS
        .binary_search_by(|row| (row.group, row.version, row.kind).cmp(&(group, version, kind)))
        .ok()
        .map(|at| &KINDS[at])
}
