//! Where the kernel shows its cgroups: one tree (v2), or a tree for each group of controllers (v1).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where systemd and everybody else mounts cgroups.
const MOUNT_POINT: &str = "/sys/fs/cgroup";

/// v1 trees a pod's cgroup must exist in, as far as the kernel has them.
const REQUIRED_V1: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];

/// The mounted trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// Mount point by controller; joined controllers (`cpu,cpuacct`) have two entries for one mount point.
    V1(BTreeMap<String, PathBuf>),
    /// The root of the one tree.
    V2(PathBuf),
}

impl Hierarchy {
    /// Finds out what this machine has. Hybrid mounts (v1 controllers beside an empty v2 tree) count as v1.
    ///
    /// # Errors
    /// The mount table cannot be read, or has no cgroups.
    pub fn detect() -> io::Result<Hierarchy> {
        Hierarchy::from_mount_table(&fs::read_to_string("/proc/self/mountinfo")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroups are mounted"))
    }

    fn from_mount_table(table: &str) -> Option<Hierarchy> {
        let mut controllers = BTreeMap::new();
        let mut unified = None;
        for line in table.lines() {
            let Some((place, kind)) = line.split_once(" - ") else { continue };
            let Some(point) = place.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut kind = kind.split(' ');
            match (kind.next(), kind.nth(1)) {
                (Some("cgroup2"), _) if point == Path::new(MOUNT_POINT) => unified = Some(point),
                (Some("cgroup"), Some(options)) => {
                    let names = options.split(',').filter(|option| !["rw", "ro", "xattr"].contains(option));
                    for name in names {
                        let name = name.strip_prefix("name=").unwrap_or(name);
                        // The first mount is the machine's; later ones may be bound into some other place.
                        controllers.entry(name.to_owned()).or_insert_with(|| point.clone());
                    }
                }
                _ => {}
            }
        }
        match unified {
            Some(root) => Some(Hierarchy::V2(root)),
            None if controllers.is_empty() => None,
            None => Some(Hierarchy::V1(controllers)),
        }
    }

    /// The directories of a cgroup (a path without leading slash), one for each tree.
    pub(super) fn directories(&self, path: &str) -> Vec<PathBuf> {
        match self {
            Hierarchy::V2(root) => vec![root.join(path)],
            Hierarchy::V1(controllers) => {
                let mut trees: Vec<&PathBuf> = controllers.values().collect();
                trees.sort();
                trees.dedup();
                trees.into_iter().map(|tree| tree.join(path)).collect()
            }
        }
    }

    /// The directory in which a controller's files of a cgroup are; `None` when the kernel lacks the controller.
    pub(super) fn controller(&self, controller: &str, path: &str) -> Option<PathBuf> {
        match self {
            Hierarchy::V2(root) => Some(root.join(path)),
            Hierarchy::V1(controllers) => controllers.get(controller).map(|tree| tree.join(path)),
        }
    }

    /// Directories that must be there for the cgroup to count as existing.
    pub(super) fn required(&self, path: &str) -> Vec<PathBuf> {
        match self {
            Hierarchy::V2(_) => self.directories(path),
            Hierarchy::V1(_) => {
                REQUIRED_V1.iter().filter_map(|controller| self.controller(controller, path)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:32 / /other/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn separate_trees_beside_an_empty_unified_one() {
        let found = Hierarchy::from_mount_table(V1).expect("has cgroups");
        let expected = [
            ("cpu", "/sys/fs/cgroup/cpu,cpuacct"),
            ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
            ("memory", "/sys/fs/cgroup/memory"),
            ("systemd", "/sys/fs/cgroup/systemd"),
        ];
        let expected = expected.map(|(name, path)| (name.to_owned(), PathBuf::from(path)));
        assert_eq!(found, Hierarchy::V1(BTreeMap::from(expected)));
        assert_eq!(found.directories("kubepods").len(), 3);
        assert_eq!(found.controller("pids", "x"), None);
    }

    #[test]
    fn one_tree() {
        let table = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchy::from_mount_table(table);
        assert_eq!(found, Some(Hierarchy::V2(PathBuf::from("/sys/fs/cgroup"))));
        assert_eq!(Hierarchy::from_mount_table("1 2 0:1 / / rw - ext4 /dev/vda rw\n"), None);
    }
}
