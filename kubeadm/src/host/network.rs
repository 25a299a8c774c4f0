//! What this project's pod network and kube-proxy leave on a host, so that `reset` can take it away.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Tables of ours in the kernel's packet filter, by family and name.
const TABLES: [(&str, &str); 4] =
    [("ip", "kube-proxy"), ("ip6", "kube-proxy"), ("ip", "node-network"), ("ip6", "node-network")];
/// The bridge of the node's pods.
const INTERFACES: [&str; 1] = ["cni0"];
/// What the pod network writes for the container runtime.
const CNI_CONFIG: &str = "/etc/cni/net.d/10-kubernetes.conflist";
/// The pod network's name, under which CNI plugins remember its pods.
const NETWORK: &str = "kubernetes";
const ADDRESSES_DIR: &str = "/var/lib/cni/networks";
/// The mark on routes that the pod network made.
const ROUTE_PROTOCOL: &str = "77";
/// Here the plugins' results of all networks lie side by side.
const RESULTS_DIRS: [&str; 2] = ["/var/lib/cni/results", "/var/lib/cni/cache/results"];

/// Something of ours on the host's network.
#[derive(Clone, Debug, PartialEq)]
pub enum Remnant {
    Table {
        family: &'static str,
        name: &'static str,
    },
    Interface {
        name: &'static str,
    },
    /// Routes to the pods of other nodes.
    Routes {
        family: &'static str,
    },
    File(PathBuf),
}

impl std::fmt::Display for Remnant {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table { family, name } => write!(out, "nftables table {family} {name}"),
            Self::Interface { name } => write!(out, "network interface {name}"),
            Self::Routes { family } => write!(out, "routes of the pod network (ip {family})"),
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
    let own = [PathBuf::from(CNI_CONFIG), Path::new(ADDRESSES_DIR).join(NETWORK)];
    let results = RESULTS_DIRS.iter().flat_map(|folder| results_of_our_network(Path::new(folder)));
    let files = own.into_iter().filter(|path| path.exists()).chain(results).map(Remnant::File);
    let routes = ["-4", "-6"]
        .into_iter()
        .filter(|family| {
            output_of("ip", &[family, "route", "show", "proto", ROUTE_PROTOCOL])
                .is_ok_and(|routes| !routes.trim().is_empty())
        })
        .map(|family| Remnant::Routes { family });
    tables.chain(interfaces).chain(routes).chain(files).collect()
}

/// The files `<network>-<container>-<interface>` of our network.
fn results_of_our_network(folder: &Path) -> Vec<PathBuf> {
    let prefix = format!("{NETWORK}-");
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// Takes one thing away.
pub fn remove(remnant: &Remnant) -> Result<(), String> {
    match remnant {
        Remnant::Table { family, name } => output_of("nft", &["delete", "table", family, name]).map(drop),
        Remnant::Interface { name } => output_of("ip", &["link", "delete", name]).map(drop),
        Remnant::Routes { family } => {
            output_of("ip", &[family, "route", "flush", "proto", ROUTE_PROTOCOL]).map(drop)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_other_networks_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["kubernetes-0a1b-eth0", "lab-0a1b-eth0", "kubernetes2-0a1b-eth0"] {
            std::fs::write(folder.path().join(name), "{}").expect("written");
        }
        assert_eq!(results_of_our_network(folder.path()), [folder.path().join("kubernetes-0a1b-eth0")]);
        assert!(results_of_our_network(&folder.path().join("none")).is_empty());
    }
}
