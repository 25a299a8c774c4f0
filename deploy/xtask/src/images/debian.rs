//! Programs from Debian's packages that are unpacked beside the build instead of being installed: a service
//! that starts on this machine with its package would only be in the way.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::libraries::needed_by;
use crate::process::{command, output_of};

/// A package unpacked into a folder of its own.
#[derive(Clone, Debug)]
pub struct Unpacked {
    pub root: PathBuf,
    pub version: String,
}

/// Downloads and unpacks a package, once.
pub fn unpack(stage: &Path, package: &str) -> Result<Unpacked> {
    let root = stage.join(package);
    let version_file = stage.join(format!("{package}.version"));
    if let Ok(version) = std::fs::read_to_string(&version_file) {
        return Ok(Unpacked { root, version });
    }
    let downloads = stage.join("downloads").join(package);
    std::fs::create_dir_all(&downloads)
        .with_context(|| format!("failed to create {}", downloads.display()))?;
    output_of(
        command("apt-get", ["-q", "-o", "APT::Sandbox::User=root", "download", package])
            .current_dir(&downloads),
    )
    .with_context(|| format!("failed to download the package {package}; 'apt-get update' may help"))?;
    let archive = std::fs::read_dir(&downloads)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get downloaded nothing for {package}"))?;
    std::fs::create_dir_all(&root)?;
    output_of(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&root))?;
    let version =
        output_of(Command::new("dpkg-deb").arg("-f").arg(&archive).arg("Version"))?.trim().to_owned();
    let depends = output_of(Command::new("dpkg-deb").arg("-f").arg(&archive).arg("Depends"))?;
    std::fs::write(stage.join(format!("{package}.depends")), depends)?;
    std::fs::write(&version_file, &version)?;
    std::fs::remove_dir_all(stage.join("downloads"))?;
    Ok(Unpacked { root, version })
}

/// The folders with the libraries that a program of an unpacked package needs and the system has not got:
/// the packages it depends on are unpacked until nothing is missing.
pub fn library_folders(stage: &Path, package: &str, program: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    let mut tried = BTreeSet::new();
    let mut candidates = dependencies(stage, package)?;
    loop {
        let missing = needed_by(program, &folders)?.missing;
        if missing.is_empty() {
            return Ok(folders);
        }
        let Some(next) = candidates.iter().find(|name| !tried.contains(*name)).cloned() else {
            bail!("no package that {package} depends on has {}", missing.join(", "));
        };
        tried.insert(next.clone());
        let unpacked = unpack(stage, &next)?;
        folders.extend(folders_with_libraries(&unpacked.root));
        candidates.extend(dependencies(stage, &next)?);
    }
}

/// Names of the library packages a package depends on.
fn dependencies(stage: &Path, package: &str) -> Result<Vec<String>> {
    let path = stage.join(format!("{package}.depends"));
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(parse_depends(&text))
}

fn parse_depends(text: &str) -> Vec<String> {
    text.split([',', '|'])
        .filter_map(|part| part.split_whitespace().next())
        .map(|name| name.split(':').next().unwrap_or(name).to_owned())
        // libc is the system's own; what is no library has none to give.
        .filter(|name| (name.starts_with("lib") || name.starts_with("lua")) && name != "libc6")
        .collect()
}

fn folders_with_libraries(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries: Vec<PathBuf> = std::fs::read_dir(&folder)
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        if entries.iter().any(|path| path.to_string_lossy().contains(".so")) {
            found.push(folder);
        }
        open.extend(entries.into_iter().filter(|path| path.is_dir() && !path.is_symlink()));
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_library_packages() {
        let text = "lsb-base (>= 3.2), redis-tools (= 5:7.0), libc6 (>= 2.34), libjemalloc2:any (>= 5.2), libone | libtwo, lua-cjson";
        assert_eq!(parse_depends(text), ["libjemalloc2", "libone", "libtwo", "lua-cjson"]);
    }
}
