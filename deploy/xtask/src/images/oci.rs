//! Writing OCI image archives: one layer, one manifest, and the index that names the image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What stands at a path of an image.
#[derive(Clone, Debug)]
pub enum Entry {
    Directory { mode: u32 },
    Link { target: String },
    Copy { from: PathBuf, mode: u32 },
    Text { contents: String, mode: u32 },
}

/// An image: its files and how it is started.
#[derive(Clone, Debug, Default)]
pub struct Image {
    entries: std::collections::BTreeMap<String, Entry>,
    /// The `config` object of the OCI image configuration.
    config: Value,
}

const BLOCK: usize = 512;

impl Image {
    /// An image without files.
    pub fn new(config: Value) -> Self {
        Self { config, ..Self::default() }
    }

    /// Adds a file or folder at an absolute path, with the folders above it.
    pub fn add(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/').to_owned();
        for parent in Path::new(&path).ancestors().skip(1) {
            let parent = parent.to_string_lossy().into_owned();
            if !parent.is_empty() {
                self.entries.entry(parent).or_insert(Entry::Directory { mode: 0o755 });
            }
        }
        self.entries.insert(path, entry);
    }

    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_start_matches('/'))
    }

    /// The layer as an uncompressed tar archive.
    fn layer(&self) -> Result<Vec<u8>> {
        let mut tar = Vec::new();
        for (path, entry) in &self.entries {
            match entry {
                Entry::Directory { mode } => append(&mut tar, &format!("{path}/"), b'5', *mode, "", &[])?,
                Entry::Link { target } => append(&mut tar, path, b'2', 0o777, target, &[])?,
                Entry::Text { contents, mode } => {
                    append(&mut tar, path, b'0', *mode, "", contents.as_bytes())?
                }
                Entry::Copy { from, mode } => {
                    let contents =
                        std::fs::read(from).with_context(|| format!("failed to read {}", from.display()))?;
                    append(&mut tar, path, b'0', *mode, "", &contents)?;
                }
            }
        }
        tar.resize(tar.len() + 2 * BLOCK, 0);
        Ok(tar)
    }
}

/// Writes the archive unless one with the same layer and configuration is there; tells whether it wrote.
pub fn write_if_changed(archive: &Path, name: &str, image: &Image) -> Result<bool> {
    let layer = image.layer()?;
    let diff_id = digest(&layer);
    let config = serde_json::to_vec(&json!({
        "architecture": architecture(),
        "os": "linux",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }))?;
    let stamp = archive.with_extension("stamp");
    let fingerprint = format!("{name} {}", digest(&config));
    if archive.exists() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == fingerprint) {
        return Ok(false);
    }
    let contents = archive_of(name, &layer, &config)?;
    let temporary = archive.with_extension("tmp");
    std::fs::write(&temporary, contents)
        .with_context(|| format!("failed to write {}", temporary.display()))?;
    std::fs::rename(&temporary, archive)?;
    std::fs::write(&stamp, fingerprint)?;
    Ok(true)
}

fn archive_of(name: &str, layer: &[u8], config: &[u8]) -> Result<Vec<u8>> {
    // Not compressed: the archive is unpacked on this machine a moment later.
    let media = "application/vnd.oci.image";
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": format!("{media}.manifest.v1+json"),
        "config": descriptor(&format!("{media}.config.v1+json"), config),
        "layers": [descriptor(&format!("{media}.layer.v1.tar"), layer)],
    }))?;
    let mut entry = descriptor(&format!("{media}.manifest.v1+json"), &manifest);
    entry["annotations"] = json!({
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rsplit(':').next().unwrap_or("latest"),
    });
    entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": format!("{media}.index.v1+json"),
        "manifests": [entry],
    }))?;
    let mut tar = Vec::new();
    append(&mut tar, "oci-layout", b'0', 0o644, "", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut tar, "index.json", b'0', 0o644, "", &index)?;
    for blob in [config, layer, &manifest] {
        append(&mut tar, &format!("blobs/{}", digest(blob).replace(':', "/")), b'0', 0o644, "", blob)?;
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    Ok(tar)
}

fn descriptor(media_type: &str, contents: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(contents), "size": contents.len()})
}

/// The name of an architecture in OCI images.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest(contents: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, contents);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Adds a file to a tar archive in the ustar format, without times and owners so that equal contents give
/// equal archives.
fn append(tar: &mut Vec<u8>, path: &str, kind: u8, mode: u32, link: &str, contents: &[u8]) -> Result<()> {
    let mut header = [0_u8; BLOCK];
    let (prefix, name) =
        split_name(path).with_context(|| format!("the path {path:?} is too long for an image"))?;
    put(&mut header, 0, 100, name);
    put(&mut header, 100, 8, &format!("{mode:07o}"));
    put(&mut header, 108, 8, "0000000");
    put(&mut header, 116, 8, "0000000");
    put(&mut header, 124, 12, &format!("{:011o}", contents.len()));
    put(&mut header, 136, 12, "00000000000");
    put(&mut header, 148, 8, "        ");
    header[156] = kind;
    anyhow::ensure!(link.len() < 100, "the link target {link:?} is too long for an image");
    put(&mut header, 157, 100, link);
    put(&mut header, 257, 8, "ustar\u{0}00");
    put(&mut header, 345, 155, prefix);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut header, 148, 8, &format!("{sum:06o}\u{0} "));
    tar.extend_from_slice(&header);
    tar.extend_from_slice(contents);
    tar.resize(tar.len().div_ceil(BLOCK) * BLOCK, 0);
    Ok(())
}

fn put(header: &mut [u8; BLOCK], start: usize, length: usize, text: &str) {
    for (place, byte) in header[start..start + length].iter_mut().zip(text.bytes()) {
        *place = byte;
    }
}

/// Splits a long path at a slash into the two fields the format has for it.
fn split_name(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.char_indices()
        .filter(|(index, character)| *character == '/' && *index <= 155 && path.len() - index - 1 <= 100)
        .map(|(index, _)| (&path[..index], &path[index + 1..]))
        .find(|(_, name)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let mut image = Image::new(json!({"Entrypoint": ["/bin/x"]}));
        image.add("/bin/x", Entry::Text { contents: "#!".to_owned(), mode: 0o755 });
        image.add("/lib/y", Entry::Link { target: "../bin/x".to_owned() });
        image
    }

    #[test]
    fn tar_reads_what_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("layer.tar");
        std::fs::write(&path, image().layer().expect("a layer")).expect("written");
        let list =
            crate::process::output_of(std::process::Command::new("tar").arg("-tvf").arg(&path)).expect("tar");
        let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
        assert_eq!(names, ["bin/", "bin/x", "lib/", "lib/y"]);
        assert!(list.contains("-rwxr-xr-x 0/0") && list.contains("-> ../bin/x"), "{list}");
    }

    #[test]
    fn an_unchanged_image_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.tar");
        assert!(write_if_changed(&path, "example/a:1", &image()).expect("written"));
        assert!(!write_if_changed(&path, "example/a:1", &image()).expect("kept"));
        let mut other = image();
        other.add("/new", Entry::Directory { mode: 0o700 });
        assert!(write_if_changed(&path, "example/a:1", &other).expect("written"));
        assert!(write_if_changed(&path, "example/a:2", &other).expect("written"));
    }

    #[test]
    fn long_paths_are_split() {
        let path = format!("{}/{}", "a".repeat(120), "b".repeat(80));
        assert_eq!(split_name(&path), Some(("a".repeat(120).as_str(), "b".repeat(80).as_str())));
        assert_eq!(split_name(&"a".repeat(101)), None);
    }
}
