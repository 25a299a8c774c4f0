//! `down`: takes back everything `up` and the cluster did to this machine.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{PROGRAMS_DIR, RECORD_DIR, containers, record::Record, services, steps::Steps};
use crate::process::{command, find_program, output_of, show, succeeds};

/// What only containerd started by `up` has left.
const CONTAINERD_DIRS: [&str; 2] = ["/var/lib/containerd", "/run/containerd"];
/// What plugins and pods leave, whoever runs containerd.
const NETWORK_DIRS: [&str; 2] = ["/var/lib/cni", "/etc/cni/net.d"];

/// Where `ip netns` and CNI have their namespaces.
const NAMED_NAMESPACES: &str = "/run/netns";
/// What is mounted here; the fourth and fifth word of a line are the folder in the file system and the mount point.
const MOUNTS: &str = "/proc/self/mountinfo";
const KUBELET_DIR: &str = "/var/lib/kubelet";

/// Takes the cluster down.
pub fn down(keep_packages: bool) -> Result<()> {
    let record = Record::load()?;
    let mut steps = Steps::new(5);
    let mut complaints = Vec::new();
    steps.run("resetting the node", reset)?;
    steps.run("stopping services", || {
        complaints.extend(services::stop(&record));
        Ok(())
    })?;
    steps.run("removing processes, mounts and networks", || {
        if record.started_containerd {
            end_shims();
        } else {
            containers::remove_images(record.images.iter().cloned());
        }
        complaints.extend(unmount(&record));
        remove_network();
        remove_cgroups();
        Ok(())
    })?;
    steps.run("removing files and settings", || {
        complaints.extend(remove_files(&record));
        restore_settings(&record);
        Ok(())
    })?;
    steps.run("removing packages", || {
        if keep_packages || record.packages.is_empty() {
            let list: Vec<&str> = record.packages.iter().map(String::as_str).collect();
            if !list.is_empty() {
                println!("    kept: {}; 'make down PURGE=1' removes them", list.join(" "));
            }
            return Ok(());
        }
        let mut purge = command("apt-get", ["-q", "purge", "-y", "--auto-remove"]);
        show(purge.args(&record.packages).env("DEBIAN_FRONTEND", "noninteractive"))
    })?;
    for complaint in &complaints {
        println!("    could not be removed: {complaint}");
    }
    anyhow::ensure!(complaints.is_empty(), "{} things of the cluster are left", complaints.len());
    if keep_packages && !record.packages.is_empty() {
        // The next `up` must still know which packages came with the cluster.
        let mut rest = Record::default();
        rest.note(|rest| rest.packages.clone_from(&record.packages))?;
    } else if Path::new(RECORD_DIR).exists() {
        std::fs::remove_dir_all(RECORD_DIR)?;
    }
    println!("Nothing of the cluster is left after {:.0} s.", steps.elapsed());
    Ok(())
}

fn reset() -> Result<()> {
    let program = Path::new(PROGRAMS_DIR).join("kubeadm");
    if !program.exists() {
        println!("    there is no kubeadm: nothing to reset");
        return Ok(());
    }
    let path = format!("{PROGRAMS_DIR}:/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap_or_default());
    let socket = format!("unix://{}", containers::SOCKET);
    let mut reset = command(
        &program.to_string_lossy(),
        ["reset", "--force", "--cleanup-tmp-dir", "--cri-socket", &socket],
    );
    if let Err(error) = show(reset.env("PATH", path)) {
        println!("    kubeadm reset failed, cleaning up without it: {error:#}");
    }
    Ok(())
}

/// Ends the helpers of containers that our containerd left running, and what they run. Those of another
/// containerd on this machine have another socket.
pub(super) fn end_shims() {
    let Some(shim) = find_program("containerd-shim-runc-v2") else { return };
    let ours: Vec<u32> = services::processes_of(&shim)
        .into_iter()
        .filter(|process| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.windows(2).any(|pair| pair == [b"-address".as_slice(), containers::SOCKET.as_bytes()])
        })
        .collect();
    let below = descendants(&ours);
    for process in ours.into_iter().chain(below) {
        succeeds(&mut command("kill", ["-KILL", &process.to_string()]));
    }
}

/// All processes that some processes started, directly or not.
fn descendants(of: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|process| {
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some((process, parent.trim().parse().ok()?))
        })
        .collect();
    let mut found: Vec<u32> = Vec::new();
    let mut open = of.to_vec();
    while let Some(parent) = open.pop() {
        for (process, _) in parents.iter().filter(|(_, other)| *other == parent) {
            found.push(*process);
            open.push(*process);
        }
    }
    found
}

pub(super) fn unmount(record: &Record) -> Vec<String> {
    let complaints = unmount_once(record);
    let table = std::fs::read_to_string(MOUNTS).unwrap_or_default();
    if complaints.is_empty()
        || !covers_pods_alone(&table)
        || output_of(&mut command("umount", ["--lazy", NAMED_NAMESPACES])).is_err()
    {
        return complaints;
    }
    unmount_once(record)
}

fn unmount_once(record: &Record) -> Vec<String> {
    let table = std::fs::read_to_string(MOUNTS).unwrap_or_default();
    mount_points(&table, record.started_containerd)
        .into_iter()
        .filter_map(|point| output_of(&mut command("umount", ["--lazy", point])).err())
        .map(|error| format!("{error:#}"))
        .collect()
}

/// Whether the folder of named namespaces is mounted on itself, as the first `ip netns add` does, and nothing but
/// namespaces of pods is below: those that are older than that mount cannot be reached through it.
fn covers_pods_alone(table: &str) -> bool {
    let points: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(4)).collect();
    let inside = |point: &&&str| point.starts_with(&format!("{NAMED_NAMESPACES}/"));
    let of_pod = |point: &&str| point.starts_with(&format!("{NAMED_NAMESPACES}/cni-"));
    points.contains(&NAMED_NAMESPACES) && points.iter().filter(inside).all(of_pod)
}

/// What the cluster has mounted, the last one first. Of the network namespaces only those of pods are among it.
fn mount_points(table: &str, own_containerd: bool) -> Vec<&str> {
    // A disk of the user's own at the folder itself stays where it is; the kubelet mounts its folder on itself.
    let below = |point: &str, folder: &str| point != folder && Path::new(point).starts_with(folder);
    let mut points: Vec<&str> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(3);
            Some((words.next()?, words.next()?))
        })
        .filter(|(root, point)| {
            let of_pods =
                ["/run/netns/cni-", "/var/run/netns/cni-"].iter().any(|start| point.starts_with(start));
            let of_runtime = own_containerd && CONTAINERD_DIRS.iter().any(|folder| below(point, folder));
            let on_itself = *point == KUBELET_DIR && root.ends_with(KUBELET_DIR);
            of_pods || of_runtime || on_itself || below(point, KUBELET_DIR)
        })
        .map(|(_, point)| point)
        .collect();
    points.reverse();
    points
}

pub(super) fn remove_network() {
    let namespaces = std::fs::read_dir(NAMED_NAMESPACES).into_iter().flatten().filter_map(Result::ok);
    for name in namespaces.filter_map(|entry| entry.file_name().into_string().ok()) {
        // One with processes in it is another runtime's.
        let idle =
            output_of(&mut command("ip", ["netns", "pids", &name])).is_ok_and(|list| list.trim().is_empty());
        if name.starts_with("cni-") && idle {
            succeeds(&mut command("ip", ["netns", "delete", &name]));
        }
    }
    let tables = output_of(&mut command("nft", ["list", "tables"])).unwrap_or_default();
    for table in tables.lines().filter_map(|line| line.trim().strip_prefix("table ")) {
        let mut words = table.split_whitespace();
        if let (Some(family), Some(name)) = (words.next(), words.next())
            && ["kube-proxy", "node-network"].contains(&name)
        {
            succeeds(&mut command("nft", ["delete", "table", family, name]));
        }
    }
    for interface in ["cni0", "node-network"] {
        if Path::new("/sys/class/net").join(interface).exists() {
            succeeds(&mut command("ip", ["link", "delete", interface]));
        }
    }
}

/// Removes the control groups of pods, innermost first.
pub(super) fn remove_cgroups() {
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    roots.extend(folders_in(Path::new("/sys/fs/cgroup")));
    for root in roots {
        for folder in folders_in(&root) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("kubepods") || name == "k8s.io" {
                remove_tree(&folder);
            }
        }
    }
}

fn remove_tree(folder: &Path) {
    folders_in(folder).iter().for_each(|inner| remove_tree(inner));
    // A group with processes of others in it stays.
    let _ = std::fs::remove_dir(folder);
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

fn remove_files(record: &Record) -> Vec<String> {
    let mut folders: Vec<PathBuf> = record.folders.iter().cloned().collect();
    if record.started_containerd {
        folders.extend(CONTAINERD_DIRS.map(PathBuf::from));
    }
    let mut complaints = Vec::new();
    for file in &record.files {
        if let Err(error) = std::fs::remove_file(file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            complaints.push(format!("{}: {error}", file.display()));
        }
    }
    for folder in folders {
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
            // Where a disk is mounted, its being empty is all there is to wish for.
            && !(error.kind() == std::io::ErrorKind::ResourceBusy && is_empty(&folder))
        {
            complaints.push(format!("{}: {error}", folder.display()));
        }
    }
    // Folders that others may use as well go only when they are empty.
    for folder in NETWORK_DIRS.iter().chain(&["/usr/local/share/kubernetes", "/etc/cni", "/opt/cni"]) {
        remove_tree(Path::new(folder));
    }
    complaints
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn restore_settings(record: &Record) {
    for (name, old) in &record.sysctls {
        // A setting whose module is gone has no value to restore.
        let _ = std::fs::write(Path::new("/proc/sys").join(name), old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_cluster_mounted_is_unmounted() {
        let table = "30 1 8:16 / /var/lib/kubelet rw - ext4 /dev/sdb rw\n\
                     31 30 0:40 / /var/lib/kubelet/pods/1/volumes/token rw - tmpfs tmpfs rw\n\
                     32 1 0:41 / /run/netns rw - tmpfs tmpfs rw\n\
                     33 32 0:4 net:[1] /run/netns/cni-1 rw - nsfs nsfs rw\n\
                     34 32 0:4 net:[2] /run/netns/vpn rw - nsfs nsfs rw\n\
                     35 1 0:42 / /run/containerd/io.containerd.runtime.v2.task/k8s.io/1/rootfs rw - overlay overlay rw\n";
        let pods = ["/run/netns/cni-1", "/var/lib/kubelet/pods/1/volumes/token"];
        assert_eq!(mount_points(table, false), pods);
        assert_eq!(mount_points(table, true).len(), 3);
        let on_itself = "36 1 254:0 /@/var/lib/kubelet /var/lib/kubelet rw shared:1 - btrfs /dev/vda rw\n";
        assert_eq!(mount_points(on_itself, true), [KUBELET_DIR]);
    }

    #[test]
    fn the_folder_of_namespaces_is_uncovered_when_nobody_else_uses_it() {
        let [cover, pod, other] = ["/run/netns", "/run/netns/cni-1", "/run/netns/vpn"]
            .map(|point| format!("1 1 0:4 / {point} rw - nsfs nsfs rw\n"));
        assert!(covers_pods_alone(&format!("{pod}{cover}")));
        assert!(!covers_pods_alone(&format!("{pod}{cover}{other}")));
        assert!(!covers_pods_alone(&pod));
    }
}
