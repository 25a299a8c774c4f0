//! The JSON files of an OCI image layout, as far as an import needs them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Annotations that name an image, the first that is there.
const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// Media types of documents that refer to other blobs.
const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// A reference to a blob.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// The full name of the image this describes; `None` when the archive does not name it.
    pub(super) fn image_name(&self) -> Option<String> {
        let name = NAME_ANNOTATIONS.iter().find_map(|key| self.annotations.get(*key))?;
        // A bare tag, as some tools write it, names no repository.
        let names_repository = name.contains('/') || name.contains(':');
        names_repository.then(|| super::normalized(name))
    }

    /// Whether the blob is an index of manifests.
    pub(super) fn is_index(&self) -> bool {
        INDEX_TYPES.contains(&self.media_type.as_str())
    }
}

/// `index.json`, or an index blob.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Index {
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
}

/// A manifest blob.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Manifest {
    pub config: Descriptor,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

impl Index {
    /// Labels that keep the manifests from containerd's garbage collector.
    pub(super) fn references(&self) -> BTreeMap<String, String> {
        let numbered = self.manifests.iter().enumerate();
        numbered
            .map(|(at, manifest)| (format!("containerd.io/gc.ref.content.m.{at}"), manifest.digest.clone()))
            .collect()
    }
}

impl Manifest {
    /// Labels that keep configuration and layers from containerd's garbage collector.
    pub(super) fn references(&self) -> BTreeMap<String, String> {
        let layers = self.layers.iter().enumerate();
        let config = ("containerd.io/gc.ref.content.config".to_owned(), self.config.digest.clone());
        layers
            .map(|(at, layer)| (format!("containerd.io/gc.ref.content.l.{at}"), layer.digest.clone()))
            .chain([config])
            .collect()
    }
}

/// The digest of a blob by its path in the archive; `None` for other files.
pub(super) fn blob_digest(path: &str) -> Option<String> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    let sound = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| format!("{algorithm}:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(annotations: &[(&str, &str)], expected: Option<&str>) {
        let annotations =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let descriptor = Descriptor { annotations, ..Default::default() };
        assert_eq!(descriptor.image_name().as_deref(), expected);
    }

    #[test]
    fn names_by_annotation() {
        check(&[("io.containerd.image.name", "r.io/a:1")], Some("r.io/a:1"));
        check(&[("org.opencontainers.image.ref.name", "r.io/b:2")], Some("r.io/b:2"));
        check(&[("org.opencontainers.image.ref.name", "busybox:1")], Some("docker.io/library/busybox:1"));
        check(&[("org.opencontainers.image.ref.name", "latest")], None);
        check(&[], None);
    }

    #[test]
    fn blobs_by_path() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(blob_digest(path).as_deref(), expected, "{path}");
        };
        check("blobs/sha256/00ff", Some("sha256:00ff"));
        check("blobs/sha256/../x", None);
        check("blobs/sha256/", None);
        check("index.json", None);
    }
}
