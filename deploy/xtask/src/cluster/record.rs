//! What `up` changed on this machine, so that `down` can take exactly that back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::RECORD_DIR;

/// The record, written before each change it tells of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Files that were not there before.
    pub files: BTreeSet<PathBuf>,
    /// Folders to remove with all they hold.
    pub folders: BTreeSet<PathBuf>,
    /// Kernel settings and the values they had.
    pub sysctls: BTreeMap<String, String>,
    /// Images that were imported.
    pub images: BTreeSet<String>,
    /// Packages that were installed.
    pub packages: BTreeSet<String>,
    /// The container runtime was started by `up`, as a service of systemd or of kube-supervisor.
    pub started_containerd: bool,
    /// kube-supervisor was started by `up`.
    pub started_supervisor: bool,
    /// How many seconds after the start of `kubeadm init` the new cluster had come how far.
    pub start_up: Vec<(String, f64)>,
}

impl Record {
    fn path() -> PathBuf {
        Path::new(RECORD_DIR).join("record.json")
    }

    /// The record of an earlier `up`, empty when there was none.
    pub fn load() -> Result<Self> {
        let path = Self::path();
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("failed to read {}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// Whether an earlier `up` left a record.
    pub fn exists() -> bool {
        Self::path().exists()
    }

    /// Notes a file that is about to be made.
    pub fn note_file(&mut self, path: &Path) -> Result<()> {
        self.note(|record| {
            record.files.insert(path.to_owned());
        })
    }

    /// Notes a folder that will be removed with all it holds.
    pub fn note_folder(&mut self, path: &Path) -> Result<()> {
        self.note(|record| {
            record.folders.insert(path.to_owned());
        })
    }

    /// Notes an image that is about to be imported.
    pub fn note_image(&mut self, name: &str) -> Result<()> {
        self.note(|record| {
            record.images.insert(name.to_owned());
        })
    }

    /// Notes the value a kernel setting had before the first change.
    pub fn note_sysctl(&mut self, name: &str, old: &str) -> Result<()> {
        self.note(|record| {
            record.sysctls.entry(name.to_owned()).or_insert_with(|| old.to_owned());
        })
    }

    /// Notes a change that is about to be made.
    pub fn note(&mut self, change: impl FnOnce(&mut Self)) -> Result<()> {
        let before = self.clone();
        change(self);
        if *self == before && Self::exists() {
            return Ok(());
        }
        std::fs::create_dir_all(RECORD_DIR).with_context(|| format!("failed to create {RECORD_DIR}"))?;
        let path = Self::path();
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("failed to write {}", temporary.display()))?;
        std::fs::rename(&temporary, &path).with_context(|| format!("failed to write {}", path.display()))
    }
}
