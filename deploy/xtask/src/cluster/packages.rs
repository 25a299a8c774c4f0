//! The packages of the system that building and running need, and installing those that are missing.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::record::Record;
use crate::process::{command, find_program, output_of, show, succeeds};

/// A package and how to see that what it brings is there, by whatever way it came.
pub struct Package {
    pub name: &'static str,
    pub present: fn() -> bool,
}

/// All packages, each with the sign of its presence. etcd, redis and busybox are not among them: their packages
/// would start services, so that the images take them from unpacked packages.
pub const ALL: [Package; 13] = [
    Package { name: "containerd", present: || has("containerd") && has("ctr") },
    Package { name: "runc", present: || has("runc") },
    Package { name: "containernetworking-plugins", present: || cni_plugins_dir().is_some() },
    Package { name: "nftables", present: || has("nft") },
    Package { name: "conntrack", present: || has("conntrack") },
    Package { name: "iproute2", present: || has("ip") },
    Package { name: "mount", present: || has("mount") && has("losetup") },
    Package { name: "ca-certificates", present: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists() },
    Package { name: "gcc", present: || has("cc") },
    Package { name: "libc6-dev", present: || has_static_libc() },
    Package { name: "make", present: || has("make") },
    Package { name: "protobuf-compiler", present: || has("protoc") },
    Package {
        name: "libprotobuf-dev",
        present: || Path::new("/usr/include/google/protobuf/any.proto").exists(),
    },
];

/// Folders where installations put CNI plugins.
const CNI_DIRS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
const CNI_PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

fn has(program: &str) -> bool {
    find_program(program).is_some()
}

fn has_static_libc() -> bool {
    output_of(&mut command("cc", ["-print-file-name=libc.a"])).is_ok_and(|path| path.trim().starts_with('/'))
}

/// The folder with the plugins the pod network is built of.
pub fn cni_plugins_dir() -> Option<&'static str> {
    CNI_DIRS
        .into_iter()
        .find(|folder| CNI_PLUGINS.iter().all(|plugin| Path::new(folder).join(plugin).exists()))
}

/// Names of the packages that are missing.
pub fn missing() -> Vec<&'static str> {
    ALL.iter().filter(|package| !(package.present)()).map(|package| package.name).collect()
}

/// Which of these packages cannot be installed, with the reason; nothing is changed.
pub fn unobtainable(packages: &[&str]) -> Option<String> {
    if packages.is_empty() {
        return None;
    }
    if !has("apt-get") {
        return Some(format!(
            "the programs of the packages {} are missing, and there is no apt-get to install them; install them by hand",
            packages.join(", ")
        ));
    }
    // Without lists apt knows no package; they come with the installation.
    let lists = std::fs::read_dir("/var/lib/apt/lists").is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().ends_with("_Packages"))
    });
    if !lists {
        return None;
    }
    let mut simulate = command("apt-get", ["-q", "install", "--simulate", "--no-install-recommends"]);
    output_of(simulate.args(packages)).err().map(|error| format!("{error:#}"))
}

/// Installs what is missing.
pub fn install(record: &mut Record) -> Result<()> {
    let packages = missing();
    if packages.is_empty() {
        println!("    all packages are there");
        return Ok(());
    }
    println!("    installing {}", packages.join(" "));
    record.note(|record| record.packages.extend(packages.iter().map(|name| (*name).to_owned())))?;
    show(&mut apt(&["update"]))?;
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(&packages);
    show(&mut apt(&words)).context("apt-get could not install the packages")?;
    let still = missing();
    anyhow::ensure!(still.is_empty(), "after the installation still missing: {}", still.join(", "));
    Ok(())
}

fn apt(words: &[&str]) -> Command {
    let mut apt = command("apt-get", ["-q"]);
    apt.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Whether a kernel module is built in, loaded or can be loaded.
pub fn module_available(name: &str) -> bool {
    Path::new("/sys/module").join(name).exists()
        || succeeds(&mut command("modprobe", ["--dry-run", "--quiet", name]))
}
