//! OCI image archives: a tar file with content by digest and an index that names the images.

use std::{collections::BTreeMap, io, path::Path};

use serde::Deserialize;

/// Media types of what an index may point to.
const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The annotation with an image's full name.
const NAME_ANNOTATION: &str = "io.containerd.image.name";
const BLOCK: usize = 512;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("failed to read the image archive {path:?}")]
    Read { path: std::path::PathBuf, source: io::Error },
    #[error("the image archive is damaged: {0}")]
    Damaged(&'static str),
    #[error("the image archive has no {0:?}")]
    Missing(String),
    #[error("the image archive's {file:?} is not valid")]
    Json { file: String, source: serde_json::Error },
    #[error("the image archive names no image: its index has no annotation \"io.containerd.image.name\"")]
    Nameless,
}

/// What one piece of content is.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// One image of an archive.
#[derive(Debug, PartialEq)]
pub struct Image {
    pub name: String,
    pub manifest: Descriptor,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// An archive read into memory.
pub struct Archive {
    contents: Vec<u8>,
    /// Start and length of each file.
    files: BTreeMap<String, (usize, usize)>,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let contents =
            std::fs::read(path).map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?;
        Self::from_bytes(contents)
    }

    pub fn from_bytes(contents: Vec<u8>) -> Result<Self, ArchiveError> {
        let files = list_tar(&contents)?;
        Ok(Self { contents, files })
    }

    /// All images the index names.
    pub fn images(&self) -> Result<Vec<Image>, ArchiveError> {
        let index: Index = self.json("index.json")?;
        let mut images = Vec::new();
        for entry in index.manifests {
            let Some(name) = entry.annotations.get(NAME_ANNOTATION).cloned() else { continue };
            let manifest = if entry.media_type == IMAGE_INDEX || entry.media_type == DOCKER_LIST {
                let inner: Index = self.json(&blob_path(&entry.digest))?;
                inner.manifests.into_iter().next().ok_or(ArchiveError::Damaged("an image index is empty"))?
            } else {
                entry
            };
            let Manifest { config, layers } = self.json(&blob_path(&manifest.digest))?;
            images.push(Image { name, manifest, config, layers });
        }
        if images.is_empty() { Err(ArchiveError::Nameless) } else { Ok(images) }
    }

    /// The bytes of a piece of content.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<&[u8], ArchiveError> {
        let bytes = self.file(&blob_path(&descriptor.digest))?;
        if i64::try_from(bytes.len()) != Ok(descriptor.size) {
            return Err(ArchiveError::Damaged(
                "a piece of content has another size than its descriptor says",
            ));
        }
        Ok(bytes)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, file: &str) -> Result<T, ArchiveError> {
        serde_json::from_slice(self.file(file)?)
            .map_err(|source| ArchiveError::Json { file: file.to_owned(), source })
    }

    fn file(&self, name: &str) -> Result<&[u8], ArchiveError> {
        let missing = || ArchiveError::Missing(name.to_owned());
        let (start, length) = self.files.get(name).copied().ok_or_else(missing)?;
        self.contents.get(start..start + length).ok_or_else(missing)
    }
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// Places of the regular files of a tar archive. Names in OCI archives are short, so that the extensions
/// for long names need not be understood, only stepped over.
fn list_tar(contents: &[u8]) -> Result<BTreeMap<String, (usize, usize)>, ArchiveError> {
    let mut files = BTreeMap::new();
    let mut position = 0;
    while let Some(header) = contents.get(position..position + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let size = octal(&header[124..136]).ok_or(ArchiveError::Damaged("a file has no size"))?;
        let start = position + BLOCK;
        let end = start.checked_add(size).filter(|end| *end <= contents.len());
        let end = end.ok_or(ArchiveError::Damaged("it ends in the middle of a file"))?;
        let regular = matches!(header[156], b'0' | 0);
        if regular {
            let name = text(&header[..100]);
            files.insert(name.trim_start_matches("./").to_owned(), (start, size));
        }
        position = end.div_ceil(BLOCK) * BLOCK;
    }
    Ok(files)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A number in octal digits, or for large files in binary after a set first bit.
fn octal(field: &[u8]) -> Option<usize> {
    if field.first()? & 0x80 != 0 {
        return field[1..]
            .iter()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256).map(|sum| sum + usize::from(*byte)));
    }
    usize::from_str_radix(text(field).trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, contents) in files {
            let mut header = [0_u8; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
            header[156] = b'0';
            archive.extend(header);
            archive.extend(contents.as_bytes());
            archive.resize(archive.len().div_ceil(BLOCK) * BLOCK, 0);
        }
        archive.resize(archive.len() + 2 * BLOCK, 0);
        archive
    }

    const MANIFEST: &str = r#"{"config":{"mediaType":"c","digest":"sha256:cc","size":2},
        "layers":[{"mediaType":"l","digest":"sha256:dd","size":3}]}"#;

    fn index() -> String {
        format!(
            r#"{{"manifests":[{{"mediaType":"m","digest":"sha256:aa","size":{},
            "annotations":{{"io.containerd.image.name":"registry.example/a:1"}}}}]}}"#,
            MANIFEST.len()
        )
    }

    #[test]
    fn images_and_their_content_are_found() {
        let bytes = tar(&[
            ("oci-layout", "{}"),
            ("index.json", &index()),
            ("blobs/sha256/aa", MANIFEST),
            ("blobs/sha256/cc", "{}"),
            ("blobs/sha256/dd", "abc"),
        ]);
        let archive = Archive::from_bytes(bytes).expect("a tar file");
        let images = archive.images().expect("one image");
        assert_eq!(images[0].name, "registry.example/a:1");
        assert_eq!(archive.blob(&images[0].layers[0]).expect("there"), b"abc");
        assert_eq!(archive.blob(&images[0].manifest).expect("there"), MANIFEST.as_bytes());
    }

    #[test]
    fn damage_is_told() {
        let whole = tar(&[("index.json", &index())]);
        assert!(matches!(Archive::from_bytes(whole[..600].to_vec()), Err(ArchiveError::Damaged(_))));
        let archive = Archive::from_bytes(whole).expect("a tar file");
        assert!(matches!(archive.images(), Err(ArchiveError::Missing(_))));
        let nameless =
            Archive::from_bytes(tar(&[("index.json", r#"{"manifests":[]}"#)])).expect("a tar file");
        assert!(matches!(nameless.images(), Err(ArchiveError::Nameless)));
        assert!(matches!(
            Archive::from_bytes(tar(&[])).expect("empty").images(),
            Err(ArchiveError::Missing(_))
        ));
    }
}
