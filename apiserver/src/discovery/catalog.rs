//! What the server serves, as discovery tells it: derived from the table of resources.

use std::cmp::Reverse;
use std::sync::Arc;

use api_types::facts::SubresourceFacts;
use apiserver_registry::Entry;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A served resource of one group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedResource {
    /// Plural name.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Kind of its objects.
    pub kind: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Verbs, sorted.
    pub verbs: Vec<String>,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// Changes when the stored form does; empty for what is not stored.
    pub storage_version_hash: String,
    /// By name.
    pub subresources: Vec<ServedSubresource>,
    /// What a custom resource publishes of itself.
    pub published: Option<Published>,
}

/// The schema of a custom resource.
#[derive(Clone)]
pub struct Published {
    /// Kind of its lists.
    pub list_kind: String,
    /// `openAPIV3Schema`.
    pub schema: Arc<Value>,
    /// Tells schemas apart without comparing them.
    fingerprint: String,
}

impl Published {
    /// Of a schema in its JSON form.
    pub fn new(list_kind: String, schema: Value) -> Published {
        let hash = digest(&SHA256, schema.to_string().as_bytes());
        Published { list_kind, schema: Arc::new(schema), fingerprint: STANDARD.encode(hash) }
    }
}

impl PartialEq for Published {
    fn eq(&self, other: &Published) -> bool {
        self.list_kind == other.list_kind && self.fingerprint == other.fingerprint
    }
}

impl Eq for Published {}

impl std::fmt::Debug for Published {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.list_kind, self.fingerprint)
    }
}

/// What hangs below an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedSubresource {
    /// Name in the path.
    pub name: String,
    /// Group of the kind of its bodies.
    pub group: String,
    /// Version of the kind of its bodies.
    pub version: String,
    /// Kind of its bodies.
    pub kind: String,
    /// Verbs, sorted.
    pub verbs: Vec<String>,
}

/// A version of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedVersion {
    /// `v1`, `v2` …
    pub version: String,
    /// By plural name.
    pub resources: Vec<ServedResource>,
}

/// A group with its versions, the preferred one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedGroup {
    /// Name, empty for core.
    pub name: String,
    /// Versions, the preferred one first.
    pub versions: Vec<ServedVersion>,
}

/// All that is served, groups in the order of upstream's API service priorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Core first.
    pub groups: Vec<ServedGroup>,
}

/// Priority of a group among groups; source: the API service priorities of kube-apiserver.
const GROUP_PRIORITIES: [(&str, u32); 22] = [
    ("", 18000),
    ("apps", 17800),
    ("events.k8s.io", 17750),
    ("authentication.k8s.io", 17700),
    ("authorization.k8s.io", 17600),
    ("autoscaling", 17500),
    ("batch", 17400),
    ("certificates.k8s.io", 17300),
    ("networking.k8s.io", 17200),
    ("policy", 17100),
    ("rbac.authorization.k8s.io", 17000),
    ("storage.k8s.io", 16800),
    ("apiextensions.k8s.io", 16700),
    ("admissionregistration.k8s.io", 16700),
    ("scheduling.k8s.io", 16600),
    ("coordination.k8s.io", 16500),
    ("node.k8s.io", 16300),
    ("discovery.k8s.io", 16200),
    ("resource.k8s.io", 16200),
    ("flowcontrol.apiserver.k8s.io", 16100),
    ("internal.apiserver.k8s.io", 16000),
    ("storagemigration.k8s.io", 15800),
];
/// Of groups that are not in the list: those of custom resources.
const OTHER_GROUPS: u32 = 1000;

/// Versions whose priority is not what their name says.
const VERSION_PRIORITIES: [(&str, &str, u32); 2] = [("autoscaling", "v2", 30), ("autoscaling", "v1", 15)];

/// Priority of a group among groups.
pub fn group_priority(group: &str) -> u32 {
    GROUP_PRIORITIES.iter().find(|(name, _)| *name == group).map_or(OTHER_GROUPS, |(_, priority)| *priority)
}

/// Order of versions: explicit priorities first, then released before beta before alpha, then newer
/// before older.
pub fn version_rank(group: &str, version: &str) -> (u32, VersionRank) {
    let explicit = VERSION_PRIORITIES.iter().find(|(g, v, _)| *g == group && *v == version);
    (explicit.map_or(0, |(_, _, priority)| *priority), VersionRank::of(version))
}

/// A version name in Kubernetes' order; greater is preferred.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionRank {
    stage: u8,
    major: u32,
    minor: u32,
    other: Reverse<String>,
}

impl VersionRank {
    fn of(version: &str) -> VersionRank {
        Self::parse(version).unwrap_or(VersionRank {
            stage: 0,
            major: 0,
            minor: 0,
            other: Reverse(version.to_string()),
        })
    }

    fn parse(version: &str) -> Option<VersionRank> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (major, tail) = (rest[..digits].parse().ok()?, &rest[digits..]);
        let (stage, minor) = match tail {
            "" => (3, 0),
            tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
                (Some(minor), _) => (2, minor.parse().ok()?),
                (None, Some(minor)) => (1, minor.parse().ok()?),
                (None, None) => return None,
            },
        };
        Some(VersionRank { stage, major, minor, other: Reverse(String::new()) })
    }
}

impl Catalog {
    /// The catalog of rows of the table.
    pub fn of_entries(entries: impl Iterator<Item = &'static Entry>) -> Catalog {
        let mut catalog = Catalog::default();
        for entry in entries {
            let facts = entry.facts;
            catalog.add(facts.group, facts.version, resource(entry));
        }
        catalog.sort();
        catalog
    }

    /// Adds a resource. Call [`Catalog::sort`] after the last.
    pub fn add(&mut self, group: &str, version: &str, resource: ServedResource) {
        let at = self.groups.iter().position(|g| g.name == group).unwrap_or_else(|| {
            self.groups.push(ServedGroup { name: group.to_string(), versions: Vec::new() });
            self.groups.len() - 1
        });
        let versions = &mut self.groups[at].versions;
        let at = versions.iter().position(|v| v.version == version).unwrap_or_else(|| {
            versions.push(ServedVersion { version: version.to_string(), resources: Vec::new() });
            versions.len() - 1
        });
        versions[at].resources.push(resource);
    }

    /// Puts everything in order.
    pub fn sort(&mut self) {
        self.groups.sort_by(|a, b| {
            (Reverse(group_priority(&a.name)), &a.name).cmp(&(Reverse(group_priority(&b.name)), &b.name))
        });
        for group in &mut self.groups {
            let name = group.name.clone();
            group.versions.sort_by_key(|v| Reverse(version_rank(&name, &v.version)));
            for version in &mut group.versions {
                version.resources.sort_by(|a, b| a.plural.cmp(&b.plural));
            }
        }
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&ServedGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The version of a group.
    pub fn version(&self, group: &str, version: &str) -> Option<&ServedVersion> {
        self.group(group)?.versions.iter().find(|v| v.version == version)
    }
}

fn resource(entry: &Entry) -> ServedResource {
    let facts = entry.facts;
    let owned = |list: &[&str]| list.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let mut subresources: Vec<ServedSubresource> = entry
        .subresources
        .iter()
        .filter_map(|subresource| facts.subresource(subresource.name))
        .map(|facts: &SubresourceFacts| ServedSubresource {
            name: facts.name.to_string(),
            group: facts.group.to_string(),
            version: facts.version.to_string(),
            kind: facts.kind.to_string(),
            verbs: owned(facts.verbs),
        })
        .collect();
    subresources.sort_by(|a, b| a.name.cmp(&b.name));
    ServedResource {
        plural: facts.plural.to_string(),
        singular: facts.singular.to_string(),
        kind: facts.kind.to_string(),
        namespaced: facts.namespaced,
        verbs: owned(facts.verbs),
        short_names: owned(facts.short_names),
        categories: owned(facts.categories),
        storage_version_hash: entry
            .stored
            .map(|stored| storage_version_hash(stored.group, stored.version, facts.kind))
            .unwrap_or_default(),
        subresources,
        published: None,
    }
}

/// Upstream's hash of the stored form of a kind.
pub fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let hash = digest(&SHA256, format!("{group}/{version}/{kind}").as_bytes());
    STANDARD.encode(&hash.as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions = vec!["v1alpha1", "foo", "v2", "v1", "v1beta2", "v1beta1", "v10", "bar"];
        versions.sort_by_key(|version| Reverse(version_rank("g", version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "bar", "foo"]);
    }

    #[test]
    fn groups_are_ordered_by_priority() {
        let mut catalog = Catalog::default();
        for group in [
            "stable.example.com",
            "batch",
            "",
            "apps",
            "apiextensions.k8s.io",
            "admissionregistration.k8s.io",
        ] {
            catalog.add(group, "v1", ServedResource::default());
        }
        catalog.sort();
        let names: Vec<&str> = catalog.groups.iter().map(|group| group.name.as_str()).collect();
        let expected = [
            "",
            "apps",
            "batch",
            "admissionregistration.k8s.io",
            "apiextensions.k8s.io",
            "stable.example.com",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn hashes_are_those_of_upstream() {
        // As served by a v1.36 cluster.
        assert_eq!(storage_version_hash("", "v1", "Pod"), "xPOwRZ+Yhw8=");
        assert_eq!(storage_version_hash("apps", "v1", "Deployment"), "8aSe+NMegvE=");
    }
}
