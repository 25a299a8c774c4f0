//! Building the programs: static, for one target, all in one go.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process::{command, output_of, show};

/// How programs are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// For use.
    Release,
    /// For tests: quick to compile, slower to run.
    Dev,
}

impl Profile {
    /// The folder of the compiler's output, and of what is made from it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Dev => "debug",
        }
    }
}

/// Packages and the programs they make.
const PROGRAMS: [(&str, &str); 11] = [
    ("apiserver", "kube-apiserver"),
    ("controller-manager", "kube-controller-manager"),
    ("scheduler", "kube-scheduler"),
    ("kube-proxy", "kube-proxy"),
    ("kubelet", "kubelet"),
    ("kubectl", "kubectl"),
    ("kubeadm", "kubeadm"),
    ("cluster-dns", "cluster-dns"),
    ("node-network", "node-network"),
    ("pause", "pause"),
    ("kube-supervisor", "kube-supervisor"),
];

/// What a build has made.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    /// Cargo's target folder, where everything made from the build goes as well.
    pub target_dir: PathBuf,
}

impl Binaries {
    /// The place of a program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// Where a build's programs are, built or not.
    pub fn locate(root: &Path, profile: Profile) -> Result<Self> {
        let target_dir = target_dir(root)?;
        let folder = target_dir.join(host_triple()?).join(profile.name());
        Ok(Self { folder, target_dir })
    }
}

/// Compiles all programs.
pub fn build(root: &Path, profile: Profile) -> Result<Binaries> {
    let mut cargo = command(&cargo_program(), ["build", "--bins", "--target"]);
    cargo.arg(host_triple()?).current_dir(root).env("RUSTFLAGS", static_flags());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    for (package, _) in PROGRAMS {
        cargo.args(["-p", package]);
    }
    show(&mut cargo).context("the programs do not build")?;
    let binaries = Binaries::locate(root, profile)?;
    for (_, program) in PROGRAMS {
        let path = binaries.path(program);
        anyhow::ensure!(path.exists(), "the build made no {}", path.display());
    }
    Ok(binaries)
}

/// Flags that link everything into the program, so that it runs in an empty image and on any host.
pub fn static_flags() -> String {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    if given.contains("crt-static") {
        given
    } else {
        format!("{given} -C target-feature=+crt-static").trim().to_owned()
    }
}

/// The cargo that runs this program, or the one in PATH.
pub fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// The compiler's name for this machine.
pub fn host_triple() -> Result<String> {
    let text = output_of(&mut command("rustc", ["-vV"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not name its host")
}

fn target_dir(root: &Path) -> Result<PathBuf> {
    let text = output_of(
        command(&cargo_program(), ["metadata", "--no-deps", "--format-version=1"]).current_dir(root),
    )?;
    let facts: serde_json::Value = serde_json::from_str(&text)?;
    let folder = facts["target_directory"].as_str().context("cargo names no target folder")?;
    Ok(PathBuf::from(folder))
}
