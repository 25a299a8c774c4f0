//! Which crate may use which: lower layers only, and no component another.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    build::cargo_program,
    process::{command, output_of},
};

/// Layers from the lowest up, each with the folders of its crates. A crate uses crates of lower layers, and of
/// its own folder's family where that is said.
const LAYERS: [&[&str]; 7] = [
    &["api-types/machinery"],
    &["api-types", "proto"],
    &["api-types/rules", "api-types/component-base"],
    &["api-types/client"],
    &["api-types/runtime"],
    // Components and add-ons, which are checked among each other by their families.
    &[
        "apiserver",
        "scheduler",
        "controller-manager",
        "kubelet",
        "kube-proxy",
        "kubectl",
        "kubeadm",
        "deploy/addons/cluster-dns",
        "deploy/addons/node-network",
        "deploy/images/pause",
        "deploy/supervisor",
    ],
    &["tests", "deploy/xtask"],
];
/// The layer of the components.
const COMPONENTS: usize = 5;
/// Crates without tokio, files, environment and clock.
const PURE: [&str; 5] =
    ["api-types/machinery", "api-types/rules", "scheduler/core", "kubelet/core", "kube-proxy/core"];
/// What pure crates may not use.
const IMPURE_DEPENDENCIES: [&str; 8] =
    ["tokio", "tokio-util", "hyper", "hyper-util", "nix", "rustix", "procfs", "inotify"];
/// Dependencies that one folder alone may have.
const RESERVED: [(&str, &[&str]); 4] = [
    ("etcd-client", &["apiserver/storage"]),
    ("rtnetlink", &["kube-proxy/apply", "deploy/addons/node-network", "kubelet/adapters"]),
    ("nftables", &["kube-proxy/apply", "deploy/addons/node-network"]),
    ("containerd-client", &["kubelet/adapters", "kubeadm"]),
];
/// Libraries with a counterpart that the project has chosen.
const FORBIDDEN: [(&str, &str); 5] = [
    ("ring", "aws-lc-rs"),
    ("openssl", "rustls"),
    ("native-tls", "rustls"),
    ("chrono", "jiff"),
    ("lazy_static", "std::sync::LazyLock"),
];

/// A crate of the workspace.
struct Crate {
    folder: String,
    /// Names of what it uses outside of tests.
    uses: Vec<String>,
    /// Names of everything it uses.
    uses_in_tests: Vec<String>,
}

pub fn check(root: &Path) -> Result<Vec<String>> {
    let text = output_of(
        command(&cargo_program(), ["metadata", "--no-deps", "--format-version=1", "--offline"])
            .current_dir(root),
    )?;
    let facts: Value = serde_json::from_str(&text)?;
    Ok(complaints(&crates(root, &facts)?))
}

fn crates(root: &Path, facts: &Value) -> Result<BTreeMap<String, Crate>> {
    let packages = facts["packages"].as_array().context("cargo lists no packages")?;
    let mut crates = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
        let folder = folder.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        let used = |tests: bool| -> Vec<String> {
            let all = package["dependencies"].as_array().into_iter().flatten();
            all.filter(|dependency| (dependency["kind"] == "dev") == tests)
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect()
        };
        crates.insert(name, Crate { folder, uses: used(false), uses_in_tests: used(true) });
    }
    Ok(crates)
}

fn complaints(crates: &BTreeMap<String, Crate>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, this) in crates {
        let Some(layer) = layer_of(&this.folder) else {
            complaints.push(format!(
                "{}: the crate {name} has no layer in deploy/xtask/src/tidy/layers.rs",
                this.folder
            ));
            continue;
        };
        for used in this.uses.iter().chain(&this.uses_in_tests) {
            if let Some((_, better)) = FORBIDDEN.iter().find(|(bad, _)| bad == used) {
                complaints.push(format!("{name} uses {used}: use {better}"));
            }
        }
        for used in &this.uses {
            if let Some(other) = crates.get(used) {
                complaints.extend(wrong_arrow(name, this, layer, used, other));
            }
            if PURE.contains(&this.folder.as_str()) && IMPURE_DEPENDENCIES.contains(&used.as_str()) {
                complaints.push(format!("{name} is pure and uses {used}"));
            }
            if let Some((_, owners)) = RESERVED.iter().find(|(reserved, _)| reserved == used)
                && !owners.contains(&this.folder.as_str())
                && layer == COMPONENTS
            {
                complaints
                    .push(format!("{name} uses {used}, which belongs to {} alone", owners.join(" and ")));
            }
        }
    }
    complaints
}

fn wrong_arrow(name: &str, this: &Crate, layer: usize, used: &str, other: &Crate) -> Option<String> {
    let other_layer = layer_of(&other.folder)?;
    if other_layer < layer {
        return None;
    }
    if other_layer > layer {
        return Some(format!("{name} uses {used} of a higher layer"));
    }
    let same_family = family(&this.folder) == family(&other.folder);
    match layer {
        COMPONENTS if same_family => None,
        COMPONENTS => Some(format!("the component {name} uses the component {used}")),
        // Tests use each other's harness; the machinery and its types are one family.
        _ if layer > COMPONENTS => None,
        _ => Some(format!("{name} uses {used} of its own layer")),
    }
}

/// The layer with the longest folder that contains a crate's.
fn layer_of(folder: &str) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (layer, folders) in LAYERS.iter().enumerate() {
        for known in *folders {
            let inside = folder == *known || folder.starts_with(&format!("{known}/"));
            if inside && best.is_none_or(|(length, _)| known.len() > length) {
                best = Some((known.len(), layer));
            }
        }
    }
    best.map(|(_, layer)| layer)
}

/// The component a folder belongs to.
fn family(folder: &str) -> &str {
    match folder.strip_prefix("deploy/") {
        Some(_) => folder,
        None => folder.split('/').next().unwrap_or(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(list: &[(&str, &str, &[&str])]) -> BTreeMap<String, Crate> {
        list.iter()
            .map(|(name, folder, uses)| {
                let uses = uses.iter().map(|name| (*name).to_owned()).collect();
                ((*name).to_owned(), Crate { folder: (*folder).to_owned(), uses, uses_in_tests: Vec::new() })
            })
            .collect()
    }

    #[track_caller]
    fn check(list: &[(&str, &str, &[&str])], expected: &[&str]) {
        assert_eq!(complaints(&graph(list)), expected);
    }

    #[test]
    fn arrows_go_down() {
        check(
            &[
                ("machinery", "api-types/machinery", &["serde_json"]),
                ("client", "api-types/client", &["machinery", "tokio"]),
                ("kubelet-core", "kubelet/core", &["machinery"]),
                ("kubelet", "kubelet", &["kubelet-core", "client"]),
                ("e2e", "tests/e2e", &["kubelet"]),
            ],
            &[],
        );
        check(
            &[("machinery", "api-types/machinery", &["client"]), ("client", "api-types/client", &[])],
            &["machinery uses client of a higher layer"],
        );
        check(
            &[("kubelet", "kubelet", &["scheduler"]), ("scheduler", "scheduler", &[])],
            &["the component kubelet uses the component scheduler"],
        );
    }

    #[test]
    fn libraries_have_their_places() {
        check(&[("rules", "api-types/rules", &["tokio"])], &["rules is pure and uses tokio"]);
        check(
            &[("kubelet", "kubelet", &["etcd-client"])],
            &["kubelet uses etcd-client, which belongs to apiserver/storage alone"],
        );
        check(&[("kubectl", "kubectl", &["chrono"])], &["kubectl uses chrono: use jiff"]);
        check(
            &[("new", "other", &[])],
            &["other: the crate new has no layer in deploy/xtask/src/tidy/layers.rs"],
        );
    }
}
