//! Cgroups as directories: made level by level, with limits written to their files.

use std::fs;
use std::io;
use std::path::Path;

use kubelet_core::ports::CgroupLimits;

use super::hierarchy::Hierarchy;
use super::limits::{Setting, settings_v1, settings_v2};

/// Files of v1's cpuset that are empty in a new cgroup; without them no process may enter.
const CPUSET_FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Makes the cgroup and its parents in every tree.
pub(super) fn create(hierarchy: &Hierarchy, path: &str) -> io::Result<()> {
    match hierarchy {
        Hierarchy::V1(_) => {
            for directory in hierarchy.directories(path) {
                fs::create_dir_all(&directory).map_err(|error| named(&directory, &error))?;
            }
            inherit_cpuset(hierarchy, path)
        }
        Hierarchy::V2(root) => {
            let mut directory = root.clone();
            for component in path.split('/').filter(|component| !component.is_empty()) {
                enable_controllers(&directory)?;
                directory.push(component);
                match fs::create_dir(&directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(named(&directory, &error));
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// Writes the limits. Those of controllers the kernel lacks cannot be kept and are an error, but for hugetlb with
/// nothing to allow, which is what the kernel then does anyway.
pub(super) fn set(hierarchy: &Hierarchy, path: &str, limits: &CgroupLimits) -> io::Result<()> {
    let settings = match hierarchy {
        Hierarchy::V1(_) => settings_v1(limits),
        Hierarchy::V2(_) => settings_v2(limits),
    };
    for setting in order_quota(hierarchy, path, settings) {
        let directory = hierarchy.controller(setting.controller, path);
        let file = directory.map(|directory| directory.join(&setting.file)).filter(|file| file.exists());
        match file {
            Some(file) => write(&file, &setting.value)?,
            None if setting.controller == "hugetlb" && setting.value == "0" => {}
            None => {
                let message = format!("{} cannot be set to {}: no such file", setting.file, setting.value);
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
        }
    }
    Ok(())
}

/// v1 checks period and quota against the parent one by one: a longer period must come after a smaller quota.
fn order_quota(hierarchy: &Hierarchy, path: &str, mut settings: Vec<Setting>) -> Vec<Setting> {
    let find = |file: &str| settings.iter().position(|setting| setting.file == file);
    let (Some(period), Some(quota)) = (find("cpu.cfs_period_us"), find("cpu.cfs_quota_us")) else {
        return settings;
    };
    let current = hierarchy
        .controller("cpu", path)
        .and_then(|directory| fs::read_to_string(directory.join("cpu.cfs_period_us")).ok())
        .and_then(|text| text.trim().parse::<u64>().ok());
    let wanted = settings.get(period).and_then(|setting| setting.value.parse::<u64>().ok());
    if wanted < current {
        settings.swap(period, quota);
    }
    settings
}

/// Gives a v1 cpuset what its parent has, from the top, where nothing was set yet.
fn inherit_cpuset(hierarchy: &Hierarchy, path: &str) -> io::Result<()> {
    let Some(root) = hierarchy.controller("cpuset", "") else { return Ok(()) };
    let mut parent = root;
    for component in path.split('/').filter(|component| !component.is_empty()) {
        let directory = parent.join(component);
        for file in CPUSET_FILES {
            let own = fs::read_to_string(directory.join(file)).unwrap_or_default();
            let inherited = fs::read_to_string(parent.join(file)).unwrap_or_default();
            if own.trim().is_empty() && !inherited.trim().is_empty() {
                write(&directory.join(file), inherited.trim())?;
            }
        }
        parent = directory;
    }
    Ok(())
}

/// Hands all controllers a v2 cgroup has to its children.
fn enable_controllers(directory: &Path) -> io::Result<()> {
    let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
    let enabled = read("cgroup.subtree_control");
    for controller in read("cgroup.controllers").split_whitespace() {
        if !enabled.split_whitespace().any(|other| other == controller) {
            // One at a time: a controller that cannot be handed on must not keep the others back.
            if let Err(error) = write(&directory.join("cgroup.subtree_control"), &format!("+{controller}")) {
                tracing::debug!(error = %error, controller, "cgroup controller cannot be handed to children");
            }
        }
    }
    Ok(())
}

fn write(file: &Path, value: &str) -> io::Result<()> {
    fs::write(file, value).map_err(|error| {
        io::Error::new(error.kind(), format!("write {value:?} to {}: {error}", file.display()))
    })
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("make {}: {error}", path.display()))
}
