//! Container images without a registry: OCI archives made of this workspace's static programs and of
//! Debian's packages.

mod debian;
mod libraries;
mod oci;
mod recipes;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build::{Binaries, Profile};

/// An archive and the image in it.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltImage {
    pub name: String,
    pub archive: PathBuf,
    /// Whether the archive was made anew.
    pub changed: bool,
}

/// Builds the archives of all images; those whose contents did not change are kept.
pub fn build(root: &Path, profile: Profile, binaries: &Binaries) -> Result<Vec<BuiltImage>> {
    let folder = archives_dir(binaries, profile);
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let stage = binaries.target_dir.join("deploy").join("stage");
    let mut built = Vec::new();
    for recipe in recipes::all(root, binaries, &stage)? {
        let archive = folder.join(format!("{}.tar", recipe.file_name));
        let image =
            recipe.image.with_context(|| format!("failed to put the image {} together", recipe.name))?;
        let changed = oci::write_if_changed(&archive, &recipe.name, &image)?;
        println!("    {} {}", if changed { "built" } else { "kept " }, recipe.name);
        built.push(BuiltImage { name: recipe.name, archive, changed });
    }
    Ok(built)
}

/// Where the archives of a build are.
pub fn archives_dir(binaries: &Binaries, profile: Profile) -> PathBuf {
    binaries.target_dir.join("deploy").join("images").join(profile.name())
}
