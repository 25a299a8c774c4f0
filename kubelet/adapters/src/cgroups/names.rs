//! Names of cgroups as each driver writes them.

use kubelet_core::ports::CgroupName;

/// Who makes the cgroups: the kubelet itself, or systemd on its behalf. Must be the runtime's choice too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Plain directories.
    Cgroupfs,
    /// Slices of systemd.
    Systemd,
}

impl Driver {
    /// The path below a tree's root, without leading slash; empty for the root.
    pub(super) fn path(self, name: &CgroupName) -> String {
        match self {
            Driver::Cgroupfs => name.0.join("/"),
            Driver::Systemd => {
                let slices: Vec<String> =
                    (1..=name.0.len()).map(|depth| slice(name.0.get(..depth).unwrap_or_default())).collect();
                slices.join("/")
            }
        }
    }

    /// The name the runtime wants as parent of a sandbox's cgroups.
    pub(super) fn runtime_parent(self, name: &CgroupName) -> String {
        match self {
            Driver::Cgroupfs => name.to_string(),
            Driver::Systemd => slice(&name.0),
        }
    }

    /// The last component of a directory's name; `None` for directories that are no cgroups of ours.
    pub(super) fn component(self, directory: &str) -> Option<String> {
        match self {
            Driver::Cgroupfs => Some(directory.to_owned()),
            Driver::Systemd => {
                let escaped = directory.strip_suffix(".slice")?.rsplit('-').next()?;
                Some(escaped.replace('_', "-"))
            }
        }
    }
}

/// The systemd unit of a cgroup; `-.slice` for the root.
pub(super) fn slice(components: &[String]) -> String {
    if components.is_empty() {
        return "-.slice".to_owned();
    }
    // A dash separates levels, so it cannot be part of one.
    let escaped: Vec<String> = components.iter().map(|part| part.replace('-', "_")).collect();
    format!("{}.slice", escaped.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(driver: Driver, components: &[&str], path: &str, parent: &str) {
        let name = CgroupName(components.iter().map(|part| (*part).to_owned()).collect());
        assert_eq!(driver.path(&name), path, "{name}");
        assert_eq!(driver.runtime_parent(&name), parent, "{name}");
    }

    #[test]
    fn names() {
        let pod = ["kubepods", "burstable", "pod1234-abcd"];
        check(Driver::Cgroupfs, &pod, "kubepods/burstable/pod1234-abcd", "/kubepods/burstable/pod1234-abcd");
        check(Driver::Cgroupfs, &[], "", "/");
        check(
            Driver::Systemd,
            &pod,
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_abcd.slice",
            "kubepods-burstable-pod1234_abcd.slice",
        );
        check(Driver::Systemd, &[], "", "-.slice");
    }

    #[test]
    fn directories_back_to_names() {
        let check = |driver: Driver, directory: &str, expected: Option<&str>| {
            assert_eq!(driver.component(directory).as_deref(), expected, "{directory}");
        };
        check(Driver::Cgroupfs, "pod1234-abcd", Some("pod1234-abcd"));
        check(Driver::Systemd, "kubepods-burstable-pod1234_abcd.slice", Some("pod1234-abcd"));
        check(Driver::Systemd, "kubepods.slice", Some("kubepods"));
        check(Driver::Systemd, "cri-containerd-123.scope", None);
    }
}
