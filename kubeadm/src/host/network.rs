//! What this project's pod network and kube-proxy leave on a host, so that `reset` can take it away.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Tables of ours in the kernel's packet filter, by family and name.
const TABLES: [(&str, &str); 5] = [
    ("ip", "kube-proxy"),
    ("ip6", "kube-proxy"),
    ("inet", "kube-proxy"),
    ("inet", "node-network"),
    ("bridge", "node-network"),
];
/// Interfaces of ours.
const INTERFACES: [&str; 2] = ["cni0", "node-network"];
/// Files the pod network writes for the container runtime.
pub const CNI_CONFIG_FILES: [&str; 1] = ["/etc/cni/net.d/10-node-network.conflist"];
/// Folders with what CNI plugins remember about pods that are gone by then.
pub const CNI_STATE_DIRS: [&str; 3] =
    ["/var/lib/cni/networks/node-network", "/var/lib/cni/results", "/var/lib/cni/cache"];

/// Something of ours on the host's network.
#[derive(Clone, Debug, PartialEq)]
pub enum Remnant {
    Table { family: &'static str, name: &'static str },
    Interface { name: &'static str },
    File(PathBuf),
}

impl std::fmt::Display for Remnant {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table { family, name } => write!(out, "nftables table {family} {name}"),
            Self::Interface { name } => write!(out, "network interface {name}"),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

/// Everything of ours that is there now.
pub fn remnants() -> Vec<Remnant> {
    let tables = output_of("nft", &["list", "tables"]).unwrap_or_default();
    let tables = TABLES
        .into_iter()
        .filter(|(family, name)| tables.lines().any(|line| line.trim() == format!("table {family} {name}")))
        .map(|(family, name)| Remnant::Table { family, name });
    let interfaces = INTERFACES
        .into_iter()
        .filter(|name| Path::new("/sys/class/net").join(name).exists())
        .map(|name| Remnant::Interface { name });
    let files = CNI_CONFIG_FILES
        .iter()
        .chain(&CNI_STATE_DIRS)
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .map(Remnant::File);
    tables.chain(interfaces).chain(files).collect()
}

/// Takes one thing away.
pub fn remove(remnant: &Remnant) -> Result<(), String> {
    match remnant {
        Remnant::Table { family, name } => output_of("nft", &["delete", "table", family, name]).map(drop),
        Remnant::Interface { name } => output_of("ip", &["link", "delete", name]).map(drop),
        Remnant::File(path) if path.is_dir() => {
            std::fs::remove_dir_all(path).map_err(|error| error.to_string())
        }
        Remnant::File(path) => std::fs::remove_file(path).map_err(|error| error.to_string()),
    }
}

fn output_of(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
