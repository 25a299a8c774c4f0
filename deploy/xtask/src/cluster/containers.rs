//! containerd: one that runs is used as it is, otherwise one is started; images go into it by `ctr`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::record::Record;
use crate::{
    images::BuiltImage,
    process::{command, output_of, succeeds},
};

/// The socket the kubelet talks to.
pub const SOCKET: &str = "/run/containerd/containerd.sock";
/// What our own containerd is told to keep pods open with.
pub const SANDBOX_IMAGE: &str = "registry.k8s.io/pause:3.10.2";
/// The mark of images that cannot be fetched again.
const PINNED: &str = "io.cri-containerd.pinned=pinned";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Whether a containerd answers.
pub fn answers() -> bool {
    Path::new(SOCKET).exists() && succeeds(&mut command("ctr", ["--timeout", "5s", "version"]))
}

/// What is wrong with a containerd that runs already.
pub fn problem() -> Option<String> {
    if !answers() {
        return None;
    }
    let plugins = output_of(&mut command("ctr", ["plugins", "ls"])).ok()?;
    let works = plugins.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1) == Some(&"cri") && columns.last() == Some(&"ok")
    });
    (!works).then(|| {
        "the containerd that runs here has its CRI plugin off: take \"cri\" out of disabled_plugins in /etc/containerd/config.toml and restart it".to_owned()
    })
}

/// Waits until containerd answers.
pub fn wait() -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while !answers() {
        anyhow::ensure!(
            Instant::now() < deadline,
            "containerd does not answer on {SOCKET} after {START_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Imports images that changed or are absent; tells which ones it imported. What a new cluster is made of is left
/// to `kubeadm init`, but for the image that every pod begins with.
pub fn import(record: &mut Record, images: &[BuiltImage], new_cluster: bool) -> Result<Vec<String>> {
    let present = image_names()?;
    let mut imported = Vec::new();
    for image in images {
        if new_cluster && image.name.starts_with("registry.k8s.io/") && !image.name.contains("/pause:") {
            record.note_image(&image.name)?;
            continue;
        }
        if !image.changed && present.contains(&image.name) {
            continue;
        }
        if !present.contains(&image.name) {
            record.note_image(&image.name)?;
        }
        output_of(command("ctr", ["-n", "k8s.io", "images", "import"]).arg(&image.archive))
            .with_context(|| format!("failed to import {}", image.name))?;
        // Newer releases tell the kubelet by this that the image must not be collected.
        output_of(&mut command("ctr", ["-n", "k8s.io", "images", "label", &image.name, PINNED]))?;
        imported.push(image.name.clone());
    }
    for (pause, wanted) in sandbox_names(&present, images) {
        record.note_image(&wanted)?;
        output_of(&mut command("ctr", ["-n", "k8s.io", "images", "tag", "--force", &pause, &wanted]))?;
    }
    Ok(imported)
}

/// A containerd of somebody else's has a sandbox image of its own; without a registry it gets ours by that name.
fn sandbox_names(present: &[String], images: &[BuiltImage]) -> Vec<(String, String)> {
    let Some(pause) = images.iter().find(|image| image.name.contains("/pause:")) else { return Vec::new() };
    configured_sandbox_image()
        .filter(|wanted| *wanted != pause.name && !present.contains(wanted))
        .map(|wanted| vec![(pause.name.clone(), wanted)])
        .unwrap_or_default()
}

/// The sandbox image that the running containerd's configuration names.
fn configured_sandbox_image() -> Option<String> {
    let text = output_of(&mut command("containerd", ["config", "dump"])).ok()?;
    let line = text.lines().find(|line| {
        let key = line.split('=').next().unwrap_or_default().trim();
        key == "sandbox_image" || key == "sandbox"
    })?;
    let value = line.split_once('=')?.1.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Names of all images CRI can use.
pub fn image_names() -> Result<Vec<String>> {
    let list = output_of(&mut command("ctr", ["-n", "k8s.io", "images", "ls", "-q"]))?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Ends the containers of certain images, which the kubelet then starts anew.
pub fn restart_containers_of(images: &[String]) -> Result<()> {
    let list = output_of(&mut command("ctr", ["-n", "k8s.io", "containers", "ls"]))?;
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if let (Some(id), Some(image)) = (columns.first(), columns.get(1))
            && images.iter().any(|name| name == image)
        {
            // One that is not running has nothing to end.
            succeeds(&mut command("ctr", ["-n", "k8s.io", "tasks", "kill", "--signal", "SIGTERM", id]));
        }
    }
    Ok(())
}

/// Takes images away again.
pub fn remove_images(names: impl IntoIterator<Item = String>) {
    for name in names {
        succeeds(&mut command("ctr", ["-n", "k8s.io", "images", "rm", &name]));
    }
}
