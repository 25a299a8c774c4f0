//! Files of the cluster on the host: programs, units, kernel settings; each noted before it is written.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{ARCHIVES_DIR, PROGRAMS_DIR, record::Record};
use crate::{
    build::Binaries,
    images::BuiltImage,
    process::{command, succeeds},
};

/// Programs for the host.
const PROGRAMS: [&str; 4] = ["kubelet", "kubeadm", "kubectl", "kube-supervisor"];
/// Kernel settings a node needs.
const SYSCTLS: [(&str, &str); 4] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/bridge/bridge-nf-call-iptables", "1"),
    ("net/bridge/bridge-nf-call-ip6tables", "1"),
    ("fs/inotify/max_user_instances", "8192"),
];
const SYSCTL_FILE: &str = "/etc/sysctl.d/90-kubernetes.conf";
const MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const MODULES_FILE: &str = "/etc/modules-load.d/kubernetes.conf";

/// Writes a file, noting it when it is new; tells whether its contents changed.
pub fn write_file(path: &Path, contents: &[u8], mode: u32, record: &mut Record) -> Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == contents) {
        return Ok(false);
    }
    if !path.exists() {
        record.note_file(path)?;
    }
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    // A program that runs cannot be written to, but its name can be given to another file.
    let temporary = folder.join(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    let written = std::fs::write(&temporary, contents)
        .and_then(|()| std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(mode)))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.with_context(|| format!("failed to write {}", path.display()))?;
    Ok(true)
}

/// Copies the programs to the host; tells which ones changed.
pub fn programs(binaries: &Binaries, record: &mut Record) -> Result<Vec<&'static str>> {
    let mut changed = Vec::new();
    for name in PROGRAMS {
        let target = Path::new(PROGRAMS_DIR).join(name);
        if name == "kubectl" && target.exists() && !record.files.contains(&target) {
            println!(
                "    {} is not ours and stays; ours is {}",
                target.display(),
                binaries.path(name).display()
            );
            continue;
        }
        let source = binaries.path(name);
        let contents =
            std::fs::read(&source).with_context(|| format!("failed to read {}", source.display()))?;
        if write_file(&target, &contents, 0o755, record)? {
            changed.push(name);
        }
    }
    Ok(changed)
}

/// Puts image archives where `kubeadm init` finds them.
pub fn archives(images: &[BuiltImage], record: &mut Record) -> Result<()> {
    let folder = Path::new(ARCHIVES_DIR);
    record.note_folder(folder)?;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {ARCHIVES_DIR}"))?;
    for image in images.iter().filter(|image| image.name.starts_with("registry.k8s.io/")) {
        let target = folder.join(image.archive.file_name().unwrap_or_default());
        if !image.changed && target.exists() {
            continue;
        }
        std::fs::copy(&image.archive, &target)
            .with_context(|| format!("failed to write {}", target.display()))?;
    }
    Ok(())
}

/// Writes the kubelet's unit and its drop-in into a folder of units.
pub fn kubelet_units(root: &Path, units: &Path, record: &mut Record) -> Result<()> {
    let source = root.join("deploy/systemd");
    for name in ["kubelet.service", "kubelet.service.d/10-kubeadm.conf"] {
        let text = std::fs::read(source.join(name)).with_context(|| format!("failed to read {name}"))?;
        write_file(&units.join(name), &text, 0o644, record)?;
    }
    record.note_folder(&units.join("kubelet.service.d"))
}

/// Loads modules and sets kernel settings, now and at the next start of the host.
pub fn kernel_settings(record: &mut Record) -> Result<()> {
    for module in MODULES {
        // Built-in ones cannot be loaded; what is missing shows in the settings below.
        succeeds(&mut command("modprobe", ["--quiet", module]));
    }
    write_file(Path::new(MODULES_FILE), format!("{}\n", MODULES.join("\n")).as_bytes(), 0o644, record)?;
    let mut lines = String::new();
    for (name, wanted) in SYSCTLS {
        let path = PathBuf::from("/proc/sys").join(name);
        // A host without IPv6 has no setting for it.
        let Ok(old) = std::fs::read_to_string(&path) else { continue };
        let old = old.trim().to_owned();
        lines.push_str(&format!("{} = {wanted}\n", name.replace('/', ".")));
        if is_enough(&old, wanted) {
            continue;
        }
        record.note_sysctl(name, &old)?;
        std::fs::write(&path, wanted).with_context(|| format!("failed to set {name} to {wanted}"))?;
    }
    write_file(Path::new(SYSCTL_FILE), lines.as_bytes(), 0o644, record)?;
    Ok(())
}

/// Switches must be equal, limits at least as large.
fn is_enough(old: &str, wanted: &str) -> bool {
    match (old.parse::<u64>(), wanted.parse::<u64>()) {
        (Ok(old), Ok(wanted)) if wanted > 1 => old >= wanted,
        _ => old == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_only_raised() {
        assert!(is_enough("1", "1") && !is_enough("0", "1") && !is_enough("2", "1"));
        assert!(is_enough("9000", "8192") && !is_enough("128", "8192"));
    }
}
