//! Container images made from files of this machine, as OCI layouts in tar files.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::tar;

/// An image to write.
#[derive(Clone, Debug, Default)]
pub struct TestImage {
    /// Full name with tag.
    pub name: String,
    /// Files: path in the image, mode, content.
    pub files: Vec<(String, u32, Vec<u8>)>,
    /// Symbolic links: path in the image, target.
    pub links: Vec<(String, String)>,
    /// Empty directories.
    pub directories: Vec<String>,
    /// What runs by default.
    pub entrypoint: Vec<String>,
    /// `user[:group]` as the image's configuration has it.
    pub user: String,
}

/// Names busybox is called by in the test image.
const APPLETS: [&str; 24] = [
    "sh", "sleep", "cat", "echo", "ls", "touch", "true", "false", "nc", "httpd", "wget", "id", "env",
    "mkdir", "rm", "tar", "stat", "date", "head", "tail", "seq", "kill", "ps", "dd",
];

impl TestImage {
    /// Debian's static busybox under its usual names, with `/etc/passwd`, `/tmp` and nothing else.
    ///
    /// # Errors
    /// `/bin/busybox` is not installed.
    pub fn busybox(name: &str) -> io::Result<TestImage> {
        let program = fs::read("/bin/busybox")?;
        let text = |text: &str| text.as_bytes().to_vec();
        Ok(TestImage {
            name: name.to_owned(),
            files: vec![
                ("bin/busybox".to_owned(), 0o755, program),
                (
                    "etc/passwd".to_owned(),
                    0o644,
                    text("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:\n"),
                ),
                ("etc/group".to_owned(), 0o644, text("root:x:0:\nnogroup:x:65534:\n")),
            ],
            links: APPLETS.iter().map(|name| (format!("bin/{name}"), "busybox".to_owned())).collect(),
            directories: vec!["tmp".to_owned()],
            entrypoint: vec!["/bin/sh".to_owned()],
            user: String::new(),
        })
    }

    /// A stand-in for the pause image: busybox sleeping for ever.
    ///
    /// # Errors
    /// `/bin/busybox` is not installed.
    pub fn pause(name: &str) -> io::Result<TestImage> {
        let mut image = TestImage::busybox(name)?;
        image.entrypoint = ["/bin/sleep", "1000000"].map(str::to_owned).to_vec();
        Ok(image)
    }
}

/// Writes images into one archive.
///
/// # Errors
/// The file cannot be written.
pub fn write_archive(path: &Path, images: &[TestImage]) -> io::Result<()> {
    let mut archive = Vec::new();
    tar::append(&mut archive, "oci-layout", b'0', 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#);
    let manifests: Vec<Value> = images.iter().map(|image| append_image(&mut archive, image)).collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    tar::append(&mut archive, "index.json", b'0', 0o644, index.to_string().as_bytes());
    tar::finish(&mut archive);
    fs::write(path, archive)
}

fn append_image(archive: &mut Vec<u8>, image: &TestImage) -> Value {
    let mut layer = Vec::new();
    for directory in &image.directories {
        tar::append(&mut layer, &format!("{directory}/"), b'5', 0o1777, b"");
    }
    for (path, mode, content) in &image.files {
        tar::append(&mut layer, path, b'0', *mode, content);
    }
    for (path, target) in &image.links {
        tar::append_linked(&mut layer, path, b'2', 0o777, target, b"");
    }
    tar::finish(&mut layer);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let configuration = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "User": image.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": append_blob(
            archive, "application/vnd.oci.image.config.v1+json", configuration.to_string().as_bytes()
        ),
        "layers": [append_blob(archive, "application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let mut descriptor =
        append_blob(archive, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    descriptor["annotations"] = json!({"io.containerd.image.name": image.name});
    descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
    descriptor
}

fn append_blob(archive: &mut Vec<u8>, media_type: &str, content: &[u8]) -> Value {
    let digest = sha256(content);
    tar::append(archive, &format!("blobs/{}", digest.replace(':', "/")), b'0', 0o644, content);
    json!({"mediaType": media_type, "digest": digest, "size": content.len()})
}

fn sha256(content: &[u8]) -> String {
    let hex: String = digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
