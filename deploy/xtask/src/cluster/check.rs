//! What `up` needs of a machine: everything that is missing in one list, before anything is changed.

use std::{
    net::{Ipv6Addr, TcpListener},
    path::Path,
};

use super::{ADMIN_KUBECONFIG, PROGRAMS_DIR, packages, record::Record};
use crate::process::find_program;

/// Ports of the control plane, the node and the demo.
const PORTS: [(u16, &str); 12] = [
    (2379, "etcd"),
    (2380, "etcd"),
    (2381, "etcd"),
    (6443, "kube-apiserver"),
    (10248, "kubelet"),
    (10249, "kube-proxy"),
    (10250, "kubelet"),
    (10256, "kube-proxy"),
    (10257, "kube-controller-manager"),
    (10259, "kube-scheduler"),
    (9153, "cluster DNS metrics on the host"),
    (30379, "the demo"),
];
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "devices", "freezer", "memory", "pids"];
const LEAST_MEMORY_MIB: u64 = 1700;
const LEAST_CPUS: usize = 2;
/// For the build and for images, in MiB.
const SPACE: [(&str, u64); 2] = [("/var/lib", 3 * 1024), ("", 8 * 1024)];
/// Programs of ours whose places must be free or ours.
const OUR_PROGRAMS: [&str; 3] = ["kubelet", "kubeadm", "kube-supervisor"];

/// A look at the machine.
pub struct Machine {
    pub is_root: bool,
    pub cpus: usize,
    pub memory_mib: u64,
    pub used_ports: Vec<u16>,
    pub controllers: Vec<String>,
    pub overlay: bool,
    pub bridge_netfilter: bool,
    /// Free space in MiB with the folder it is for.
    pub free_mib: Vec<(String, u64, u64)>,
    /// What cannot be installed.
    pub packages: Option<String>,
    /// Programs of others in the places of ours.
    pub foreign_programs: Vec<String>,
    /// Files of another cluster.
    pub foreign_cluster: bool,
    /// What is wrong with a container runtime that runs already.
    pub runtime: Option<String>,
    pub rustc: bool,
    /// A default route, by which the node finds its address.
    pub default_route: bool,
}

impl Machine {
    /// Looks at this machine; `root` is the folder of the sources.
    pub fn look(root: &Path, record: &Record) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        // The ports of a cluster that runs are its own.
        let ours = Record::exists() && Path::new(ADMIN_KUBECONFIG).exists();
        let used_ports = if ours {
            Vec::new()
        } else {
            PORTS.iter().map(|(port, _)| *port).filter(|port| is_used(*port)).collect()
        };
        let foreign_programs = OUR_PROGRAMS
            .iter()
            .map(|name| Path::new(PROGRAMS_DIR).join(name))
            .filter(|path| path.exists() && !record.files.contains(path))
            .map(|path| path.display().to_string())
            .collect();
        let manifests =
            std::fs::read_dir("/etc/kubernetes/manifests").is_ok_and(|mut entries| entries.next().is_some());
        Self {
            is_root: find_program("id").is_some_and(|_| user_id() == Some(0)),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_mib: memory_mib(&read("/proc/meminfo")),
            used_ports,
            controllers: controllers(&read("/proc/cgroups"), &read("/sys/fs/cgroup/cgroup.controllers")),
            overlay: read("/proc/filesystems").contains("overlay") || packages::module_available("overlay"),
            bridge_netfilter: Path::new("/proc/sys/net/bridge").exists()
                || packages::module_available("br_netfilter"),
            free_mib: SPACE
                .iter()
                .filter_map(|(folder, needed)| {
                    let folder = if folder.is_empty() { root } else { Path::new(folder) };
                    Some((folder.display().to_string(), free_mib(folder)?, *needed))
                })
                .collect(),
            packages: packages::unobtainable(&packages::missing()),
            foreign_programs,
            foreign_cluster: manifests && !Record::exists(),
            runtime: super::containers::problem(),
            rustc: find_program("rustc").is_some(),
            default_route: has_default_route(&read("/proc/net/route")),
        }
    }

    /// Everything that is missing, each with its cure.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |fine: bool, problem: String| {
            if !fine {
                problems.push(problem);
            }
        };
        unless(self.is_root, "not running as root: use sudo".to_owned());
        unless(
            self.cpus >= LEAST_CPUS,
            format!("{} processors, at least {LEAST_CPUS} are needed", self.cpus),
        );
        unless(
            self.memory_mib >= LEAST_MEMORY_MIB,
            format!("{} MiB of memory, at least {LEAST_MEMORY_MIB} MiB are needed", self.memory_mib),
        );
        for port in &self.used_ports {
            let user = PORTS.iter().find(|(known, _)| known == port).map_or("", |(_, user)| user);
            unless(
                false,
                format!("port {port} of {user} is in use: 'ss -lptn sport = :{port}' tells by whom"),
            );
        }
        let missing: Vec<&str> = CONTROLLERS
            .into_iter()
            .filter(|name| !self.controllers.iter().any(|other| other == name))
            .collect();
        unless(missing.is_empty(), format!("the kernel has no cgroup controllers {}", missing.join(", ")));
        unless(self.overlay, "the kernel has no overlay file system: modprobe overlay".to_owned());
        unless(
            self.bridge_netfilter,
            "the kernel does not filter bridged packets: modprobe br_netfilter".to_owned(),
        );
        for (folder, free, needed) in &self.free_mib {
            unless(free >= needed, format!("{free} MiB are free for {folder}, {needed} MiB are needed"));
        }
        for path in &self.foreign_programs {
            unless(false, format!("{path} is not of an earlier 'make up': move it away"));
        }
        unless(
            !self.foreign_cluster,
            "/etc/kubernetes/manifests holds static pods of another cluster: run its 'kubeadm reset' first"
                .to_owned(),
        );
        unless(self.rustc, "there is no rustc: install Rust, for example by rustup".to_owned());
        unless(
            self.default_route,
            "the host has no default route, by which a node finds its address and pods reach Services"
                .to_owned(),
        );
        problems.extend(self.packages.clone());
        problems.extend(self.runtime.clone());
        problems
    }
}

fn user_id() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").ok().map(|facts| facts.uid())
}

fn memory_mib(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn is_used(port: u16) -> bool {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Ok(_) => false,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => true,
        Err(_) => TcpListener::bind(("0.0.0.0", port)).is_err(),
    }
}

fn controllers(v1: &str, v2: &str) -> Vec<String> {
    if !v2.trim().is_empty() {
        let always = ["devices", "freezer"].map(str::to_owned);
        return v2.split_whitespace().map(str::to_owned).chain(always).collect();
    }
    v1.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            (columns.last() == Some(&"1")).then(|| columns.first().map(|name| (*name).to_owned())).flatten()
        })
        .collect()
}

fn has_default_route(table: &str) -> bool {
    table.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"))
}

fn free_mib(folder: &Path) -> Option<u64> {
    let text = crate::process::output_of(crate::process::command("df", ["--output=avail", "-k"]).arg(folder))
        .ok()?;
    text.lines().nth(1)?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Machine {
        Machine {
            is_root: true,
            cpus: 2,
            memory_mib: 4000,
            used_ports: Vec::new(),
            controllers: CONTROLLERS.map(str::to_owned).to_vec(),
            overlay: true,
            bridge_netfilter: true,
            free_mib: vec![("/var/lib".to_owned(), 9000, 3000)],
            packages: None,
            foreign_programs: Vec::new(),
            foreign_cluster: false,
            runtime: None,
            rustc: true,
            default_route: true,
        }
    }

    #[test]
    fn a_good_machine_has_no_problems() {
        assert_eq!(good().problems(), Vec::<String>::new());
    }

    #[test]
    fn everything_is_told_at_once() {
        let bad = Machine {
            is_root: false,
            cpus: 1,
            memory_mib: 100,
            used_ports: vec![6443],
            controllers: vec!["cpu".to_owned()],
            overlay: false,
            bridge_netfilter: false,
            free_mib: vec![("/var/lib".to_owned(), 10, 3000)],
            packages: Some("no package".to_owned()),
            foreign_programs: vec!["/usr/local/bin/kubelet".to_owned()],
            foreign_cluster: true,
            runtime: Some("no CRI".to_owned()),
            rustc: false,
            default_route: false,
        };
        let problems = bad.problems();
        assert_eq!(problems.len(), 14, "{problems:#?}");
        assert!(problems.iter().any(|problem| problem.contains("port 6443 of kube-apiserver is in use")));
    }

    #[test]
    fn controllers_of_both_versions_are_read() {
        assert_eq!(controllers("#x\ncpu\t1\t1\t1\nhugetlb\t0\t1\t0\n", ""), ["cpu"]);
        assert_eq!(controllers("", "cpu pids\n"), ["cpu", "pids", "devices", "freezer"]);
    }
}
