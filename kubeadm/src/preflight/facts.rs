//! What the checks look at, gathered from the host without changing it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv6Addr, TcpListener, ToSocketAddrs as _},
    path::Path,
};

use crate::{
    config::version::Version,
    host::{container_runtime::ContainerRuntime, init_system},
};

/// Control groups of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cgroups {
    /// 1 or 2; zero when none are mounted.
    pub version: u8,
    pub controllers: BTreeSet<String>,
}

/// The container runtime as far as it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// What is wrong with it.
    pub problem: Option<String>,
    pub tells_cgroup_driver: bool,
    pub cgroup_driver: Option<&'static str>,
    pub sandbox_image: Option<String>,
}

/// A service of the host's init system.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Service {
    pub exists: bool,
    pub enabled: bool,
    pub active: bool,
}

/// The host as the checks see it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub is_root: bool,
    pub cpus: usize,
    pub memory_mib: u64,
    /// Ports somebody listens on, of those asked for.
    pub used_ports: BTreeSet<u16>,
    /// Files that exist and folders that are not empty, of those asked for.
    pub occupied_paths: BTreeSet<String>,
    pub swap: bool,
    /// Contents of sysctl files, none for those that do not exist.
    pub sysctls: BTreeMap<String, Option<String>>,
    pub cgroups: Cgroups,
    pub kernel: String,
    pub filesystems: BTreeSet<String>,
    /// Programs found in PATH, of those asked for.
    pub programs: BTreeSet<String>,
    /// Whether the CNI plugins the pod network is built of are installed.
    pub cni_plugins: bool,
    /// Whether nftables answers, or what it says.
    pub nftables: Option<String>,
    pub kubelet_version: Option<Version>,
    pub kubelet_version_problem: Option<String>,
    /// Addresses the node's name leads to, or the resolver's complaint.
    pub name_lookup: Option<String>,
    /// Free space in MiB where data will live, by path.
    pub free_mib: BTreeMap<String, u64>,
    pub kubelet_service: Service,
    pub firewalld_active: bool,
    pub init_system: Option<&'static str>,
    pub runtime: Option<Runtime>,
}

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    pub ports: Vec<u16>,
    pub paths: Vec<String>,
    pub sysctls: Vec<&'static str>,
    pub programs: Vec<&'static str>,
    pub node_name: String,
    pub cri_socket: String,
    pub data_dirs: Vec<String>,
}

/// Folders where installations put CNI plugins.
pub const CNI_PLUGIN_DIRS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
/// The plugins that the pod network's configuration names.
pub const CNI_PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// Looks at the host.
pub async fn gather(questions: &Questions) -> Facts {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (kubelet_version, kubelet_version_problem) = kubelet_version();
    let init = init_system::detect().ok();
    Facts {
        is_root: nix::unistd::geteuid().is_root(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_mib: memory_mib(&read("/proc/meminfo")),
        used_ports: questions.ports.iter().copied().filter(|port| is_used(*port)).collect(),
        occupied_paths: questions.paths.iter().filter(|path| is_occupied(Path::new(path))).cloned().collect(),
        swap: read("/proc/swaps").lines().count() > 1,
        sysctls: questions.sysctls.iter().map(|path| ((*path).to_owned(), sysctl(path))).collect(),
        cgroups: cgroups(
            &read("/proc/mounts"),
            &read("/proc/cgroups"),
            &read("/sys/fs/cgroup/cgroup.controllers"),
        ),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        filesystems: read("/proc/filesystems")
            .lines()
            .filter_map(|line| line.split_whitespace().last().map(str::to_owned))
            .collect(),
        programs: questions
            .programs
            .iter()
            .filter(|name| in_path(name))
            .map(|name| (*name).to_owned())
            .collect(),
        cni_plugins: CNI_PLUGIN_DIRS
            .iter()
            .any(|folder| CNI_PLUGINS.iter().all(|plugin| Path::new(folder).join(plugin).exists())),
        nftables: nftables_problem(),
        kubelet_version,
        kubelet_version_problem,
        name_lookup: (questions.node_name.as_str(), 0_u16)
            .to_socket_addrs()
            .err()
            .map(|error| error.to_string()),
        free_mib: questions
            .data_dirs
            .iter()
            .filter_map(|path| Some((path.clone(), free_mib(path)?)))
            .collect(),
        kubelet_service: init.map_or_else(Service::default, |init| Service {
            exists: init.exists("kubelet"),
            enabled: init.is_enabled("kubelet"),
            active: init.is_active("kubelet"),
        }),
        firewalld_active: init.is_some_and(|init| init.name == "systemd" && init.is_active("firewalld")),
        init_system: init.map(|init| init.name),
        runtime: Some(runtime(&questions.cri_socket).await),
    }
}

/// The cgroup driver of the runtime at a socket, none when it cannot be asked or does not tell.
pub async fn cgroup_driver(socket: &str) -> Option<&'static str> {
    let runtime = ContainerRuntime::connect(socket).await.ok()?;
    runtime.cgroup_driver().await.ok().flatten()
}

async fn runtime(socket: &str) -> Runtime {
    let unusable = |problem: String| Runtime {
        problem: Some(problem),
        tells_cgroup_driver: false,
        cgroup_driver: None,
        sandbox_image: None,
    };
    let runtime = match ContainerRuntime::connect(socket).await {
        Ok(runtime) => runtime,
        Err(error) => return unusable(component_base::run::error_chain(&error)),
    };
    if let Err(error) = runtime.check_running().await {
        return unusable(component_base::run::error_chain(&error));
    }
    Runtime {
        problem: None,
        tells_cgroup_driver: runtime.tells_cgroup_driver().await.unwrap_or(false),
        cgroup_driver: runtime.cgroup_driver().await.ok().flatten(),
        sandbox_image: runtime.sandbox_image().await.ok().flatten(),
    }
}

fn memory_mib(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn is_used(port: u16) -> bool {
    let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    match both {
        Ok(_) => false,
        // A host without IPv6 cannot tell by that address.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => true,
        Err(_) => TcpListener::bind(("0.0.0.0", port)).is_err(),
    }
}

fn is_occupied(path: &Path) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.exists(),
    }
}

fn sysctl(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn cgroups(mounts: &str, v1_controllers: &str, v2_controllers: &str) -> Cgroups {
    if !v2_controllers.is_empty() {
        // Version 2 has no files for these two: the kernel does them itself.
        let always = ["devices", "freezer"].map(str::to_owned);
        let controllers = v2_controllers.split_whitespace().map(str::to_owned).chain(always).collect();
        return Cgroups { version: 2, controllers };
    }
    let mounted: BTreeSet<&str> = mounts
        .lines()
        .filter(|line| line.split_whitespace().nth(2) == Some("cgroup"))
        .filter_map(|line| line.split_whitespace().nth(3))
        .flat_map(|options| options.split(','))
        .collect();
    let controllers: BTreeSet<String> = v1_controllers
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (name, enabled) = (columns.first()?, columns.last()?);
            (*enabled == "1" && mounted.contains(name)).then(|| (*name).to_owned())
        })
        .collect();
    Cgroups { version: u8::from(!controllers.is_empty()), controllers }
}

/// Whether a program is in PATH.
pub fn in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn nftables_problem() -> Option<String> {
    match std::process::Command::new("nft").args(["list", "tables"]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

fn kubelet_version() -> (Option<Version>, Option<String>) {
    let output = match std::process::Command::new("kubelet").arg("--version").output() {
        Ok(output) => output,
        Err(error) => return (None, Some(format!("cannot execute 'kubelet --version': {error}"))),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.split_whitespace().last().unwrap_or_default();
    match last.parse() {
        Ok(version) => (Some(version), None),
        Err(_) => (None, Some(format!("cannot parse the output of 'kubelet --version': {:?}", text.trim()))),
    }
}

/// Free space for the folder or for the first of its parents that exists.
fn free_mib(path: &str) -> Option<u64> {
    let existing = Path::new(path).ancestors().find(|folder| folder.exists())?;
    let space = rustix::fs::statvfs(existing).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let v1 = cgroups(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n",
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t4\t1\nmemory\t2\t4\t1\nhugetlb\t0\t4\t1\n",
            "",
        );
        assert_eq!(
            (v1.version, v1.controllers.into_iter().collect::<Vec<_>>().join(" ").as_str()),
            (1, "cpu memory")
        );
        let v2 = cgroups("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "", "cpuset cpu io memory pids\n");
        assert_eq!(v2.version, 2);
        assert!(v2.controllers.contains("devices") && v2.controllers.contains("pids"));
        assert_eq!(cgroups("", "", "").version, 0);
    }

    #[test]
    fn a_listening_port_is_used() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(is_used(port));
        drop(listener);
        assert!(!is_used(port));
    }

    #[test]
    fn an_empty_folder_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_occupied(folder.path()));
        assert!(!is_occupied(&folder.path().join("none")));
        std::fs::write(folder.path().join("file"), "").expect("written");
        assert!(is_occupied(folder.path()) && is_occupied(&folder.path().join("file")));
    }
}
