//! The checks of `init` and `join`: from facts to findings, without touching the host.

use super::{
    Finding,
    facts::{CNI_PLUGIN_DIRS, CNI_PLUGINS, Facts, Questions},
};
use crate::{
    config::{
        Configuration,
        v1beta4::{JoinConfiguration, NodeRegistration},
        version::Version,
    },
    constants,
    render::images,
};

const IPV4_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const IPV6_FORWARD: &str = "/proc/sys/net/ipv6/conf/default/forwarding";
const BRIDGE_NETFILTER: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";
/// Programs the kubelet and kubeadm call.
const PROGRAMS: [(&str, &str); 5] = [
    ("losetup", "install the package util-linux"),
    ("mount", "install the package mount or util-linux"),
    ("cp", "install the package coreutils"),
    ("ip", "install the package iproute2"),
    ("nft", "install the package nftables"),
];
/// Control groups without which the kubelet cannot keep pods apart.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "devices", "freezer", "memory", "pids"];
/// Room for images, logs and the store, in MiB.
const LEAST_FREE_MIB: u64 = 1024;
/// The oldest kernel the components are known to run on.
const LEAST_KERNEL: (u32, u32) = (4, 19);

/// What to look at before `init`.
pub fn init_questions(configuration: &Configuration) -> Questions {
    let cluster = &configuration.cluster;
    let mut questions = node_questions(&configuration.init.node_registration);
    questions.ports.extend([
        u16::try_from(configuration.init.local_api_endpoint.bind_port).unwrap_or(constants::API_SERVER_PORT),
        constants::SCHEDULER_PORT,
        constants::CONTROLLER_MANAGER_PORT,
    ]);
    questions.paths.extend(manifest_paths());
    if let Some(local) = &cluster.etcd.local {
        questions.ports.extend([
            constants::ETCD_CLIENT_PORT,
            constants::ETCD_PEER_PORT,
            constants::ETCD_METRICS_PORT,
        ]);
        questions.paths.push(local.data_dir.clone());
        questions.data_dirs.push(local.data_dir.clone());
    }
    if let Some(external) = &cluster.etcd.external {
        questions
            .paths
            .extend([&external.ca_file, &external.cert_file, &external.key_file].map(Clone::clone));
    }
    questions
}

/// What to look at before `join`.
pub fn join_questions(join: &JoinConfiguration) -> Questions {
    let mut questions = node_questions(&join.node_registration);
    questions.paths.extend(join_paths(join));
    questions
}

fn node_questions(node: &NodeRegistration) -> Questions {
    Questions {
        ports: vec![constants::KUBELET_PORT],
        paths: Vec::new(),
        sysctls: vec![IPV4_FORWARD, IPV6_FORWARD, BRIDGE_NETFILTER],
        programs: PROGRAMS.iter().map(|(name, _)| *name).collect(),
        node_name: node.name.clone(),
        cri_socket: node.cri_socket.clone(),
        data_dirs: vec![constants::KUBELET_DIR.to_owned(), "/var/lib/containerd".to_owned()],
    }
}

fn manifest_paths() -> impl Iterator<Item = String> {
    [constants::API_SERVER, constants::CONTROLLER_MANAGER, constants::SCHEDULER, constants::ETCD]
        .into_iter()
        .map(|name| format!("{}/{name}.yaml", constants::MANIFESTS_DIR))
}

fn join_paths(join: &JoinConfiguration) -> Vec<String> {
    let kubeconfig = |name| constants::kubeconfig_path(name).to_string_lossy().into_owned();
    let mut paths =
        vec![kubeconfig(constants::KUBELET_KUBECONFIG), kubeconfig(constants::KUBELET_BOOTSTRAP_KUBECONFIG)];
    if join.control_plane.is_none() {
        paths.push(join.ca_cert_path.clone());
    }
    paths
}

/// The checks of a node that becomes the first of a control plane.
pub fn init(facts: &Facts, configuration: &Configuration) -> Vec<Finding> {
    let cluster = &configuration.cluster;
    let mut findings = root(facts);
    if facts.cpus < constants::CONTROL_PLANE_CPUS {
        findings.push(Finding::error(
            "NumCPU",
            format!(
                "the number of available CPUs {} is less than the required {}",
                facts.cpus,
                constants::CONTROL_PLANE_CPUS
            ),
        ));
    }
    if facts.memory_mib < constants::CONTROL_PLANE_MEMORY_MIB {
        findings.push(Finding::error(
            "Mem",
            format!(
                "the system RAM ({} MB) is less than the minimum {} MB",
                facts.memory_mib,
                constants::CONTROL_PLANE_MEMORY_MIB
            ),
        ));
    }
    if facts.firewalld_active {
        findings.push(Finding::warning(
            "Firewalld",
            format!(
                "firewalld is active, please ensure ports [{} {}] are open or your cluster may not function correctly",
                configuration.init.local_api_endpoint.bind_port,
                constants::KUBELET_PORT
            ),
        ));
    }
    findings.extend(kubernetes_version(&cluster.kubernetes_version));
    findings.extend(used_ports(facts));
    findings.extend(manifest_paths().filter(|path| facts.occupied_paths.contains(path)).map(|path| {
        Finding::error(
            format!("FileAvailable-{}", path.replace('/', "-")),
            format!("{path} already exists; run 'kubeadm reset' to remove an earlier cluster"),
        )
    }));
    if let Some(local) = &cluster.etcd.local
        && facts.occupied_paths.contains(&local.data_dir)
    {
        findings.push(Finding::error(
            format!("DirAvailable-{}", local.data_dir.replace('/', "-")),
            format!(
                "{} is not empty; run 'kubeadm reset' or move the data of an earlier cluster away",
                local.data_dir
            ),
        ));
    }
    if let Some(external) = &cluster.etcd.external {
        for file in [&external.ca_file, &external.cert_file, &external.key_file] {
            if !file.is_empty() && !facts.occupied_paths.contains(file) {
                findings
                    .push(Finding::error("ExternalEtcdClientCertificates", format!("{file} doesn't exist")));
            }
        }
    }
    findings.extend(node(facts, &configuration.init.node_registration, Some(&cluster.kubernetes_version)));
    let networks = format!("{},{}", cluster.networking.service_subnet, cluster.networking.pod_subnet);
    findings.extend(forwarding(facts, networks.contains('.'), networks.contains(':')));
    findings.extend(cgroup_settings(facts, configuration));
    if let Some(given) = facts.runtime.as_ref().and_then(|runtime| runtime.sandbox_image.as_ref()) {
        let wanted = images::pause(cluster);
        if *given != wanted {
            findings.push(Finding::warning(
                "SandboxImage",
                format!(
                    "detected that the sandbox image {given:?} of the container runtime is inconsistent with that used by kubeadm. It is recommended to use {wanted:?} as the CRI sandbox image."
                ),
            ));
        }
    }
    findings
}

/// The checks of a node that joins.
pub fn join(facts: &Facts, join: &JoinConfiguration) -> Vec<Finding> {
    let mut findings = root(facts);
    findings.extend(used_ports(facts));
    findings.extend(join_paths(join).into_iter().filter(|path| facts.occupied_paths.contains(path)).map(
        |path| {
            Finding::error(
                format!("FileAvailable-{}", path.replace('/', "-")),
                format!("{path} already exists; run 'kubeadm reset' to remove what an earlier cluster left"),
            )
        },
    ));
    findings.extend(node(facts, &join.node_registration, None));
    findings.extend(forwarding(facts, true, false));
    findings
}

/// Only root may change a host.
pub fn root(facts: &Facts) -> Vec<Finding> {
    if facts.is_root {
        return Vec::new();
    }
    vec![Finding::error("IsPrivilegedUser", "user is not running as root; run this command with sudo")]
}

fn used_ports(facts: &Facts) -> Vec<Finding> {
    facts
        .used_ports
        .iter()
        .map(|port| {
            Finding::error(
                format!("Port-{port}"),
                format!("Port {port} is in use; 'ss -lptn sport = :{port}' tells by whom"),
            )
        })
        .collect()
}

fn kubernetes_version(wanted: &str) -> Option<Finding> {
    let (own, wanted): (Version, Version) =
        (constants::KUBERNETES_VERSION.parse().ok()?, wanted.parse().ok()?);
    ((wanted.major, wanted.minor) > (own.major, own.minor)).then(|| {
        Finding::warning(
            "KubernetesVersion",
            format!(
                "Kubernetes version is greater than kubeadm version. Please consider to upgrade kubeadm. Kubernetes version: {wanted}. Kubeadm version: {}.{}.x",
                own.major, own.minor
            ),
        )
    })
}

fn node(facts: &Facts, node: &NodeRegistration, control_plane_version: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(runtime) = &facts.runtime {
        match &runtime.problem {
            Some(problem) => findings.push(Finding::error(
                "CRI",
                format!("{problem}; start the container runtime, and see that its CRI plugin is not disabled"),
            )),
            None if !runtime.tells_cgroup_driver => findings.push(Finding::warning(
                "ContainerRuntimeVersion",
                "You must update your container runtime to a version that supports the CRI method RuntimeConfig. \
                 Falling back to using cgroupDriver from kubelet config will be removed in 1.37. For more information, \
                 see https://git.k8s.io/enhancements/keps/sig-node/4033-group-driver-detection-over-cri",
            )),
            None => {}
        }
    }
    if facts.swap {
        findings.push(Finding::warning(
            "Swap",
            "swap is supported for cgroup v2 only. The kubelet must be properly configured to use swap. \
             Please refer to https://kubernetes.io/docs/concepts/architecture/nodes/#swap-memory, or disable swap on \
             the node with 'swapoff -a'",
        ));
    }
    for (program, cure) in PROGRAMS {
        if !facts.programs.contains(program) {
            findings.push(Finding::error(
                format!("FileExisting-{program}"),
                format!("{program} not found in system path; {cure}"),
            ));
        }
    }
    if !facts.cni_plugins {
        findings.push(Finding::warning(
            "CNIPlugins",
            format!(
                "the CNI plugins {} are in none of {}; install the package containernetworking-plugins",
                CNI_PLUGINS.join(", "),
                CNI_PLUGIN_DIRS.join(", ")
            ),
        ));
    }
    if let Some(problem) = &facts.nftables
        && facts.programs.contains("nft")
        && facts.is_root
    {
        findings.push(Finding::error(
            "Nftables",
            format!("nftables does not work on this host: {problem}; load the kernel module nf_tables"),
        ));
    }
    findings.extend(system(facts));
    findings.extend(hostname(facts, &node.name));
    findings.extend(kubelet(facts, control_plane_version));
    for (path, free) in &facts.free_mib {
        if *free < LEAST_FREE_MIB {
            findings.push(Finding::error(
                "DiskSpace",
                format!("only {free} MiB are free for {path}, at least {LEAST_FREE_MIB} MiB are needed"),
            ));
        }
    }
    findings
}

fn system(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let complain = |message: String| Finding::error("SystemVerification", message);
    let mut numbers = facts.kernel.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if kernel < LEAST_KERNEL {
        findings.push(complain(format!(
            "unsupported kernel release: {}; at least {}.{} is needed",
            facts.kernel, LEAST_KERNEL.0, LEAST_KERNEL.1
        )));
    }
    if !facts.filesystems.contains("overlay") {
        findings.push(complain(
            "the kernel has no overlay file system; load it with 'modprobe overlay'".to_owned(),
        ));
    }
    let missing: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|controller| !facts.cgroups.controllers.contains(*controller))
        .collect();
    if facts.cgroups.version == 0 {
        findings.push(complain("no cgroup file system is mounted at /sys/fs/cgroup".to_owned()));
    } else if !missing.is_empty() {
        findings.push(complain(format!(
            "missing required cgroups: {}; enable them on the kernel's command line",
            missing.join(" ")
        )));
    }
    findings
}

fn hostname(facts: &Facts, name: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = machinery::names::is_qualified_name(name)
        .into_iter()
        .map(|complaint| {
            Finding::warning("Hostname", format!("invalid node name format {name:?}: {complaint}"))
        })
        .collect();
    if let Some(complaint) = &facts.name_lookup {
        findings.push(Finding::warning(
            "Hostname",
            format!("hostname {name:?} could not be reached: {complaint}; add it to /etc/hosts or the DNS"),
        ));
    }
    findings
}

fn kubelet(facts: &Facts, control_plane_version: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own: Option<Version> = constants::KUBERNETES_VERSION.parse().ok();
    match (&facts.kubelet_version, &facts.kubelet_version_problem, own) {
        (Some(version), _, Some(own)) => {
            if (version.major, version.minor) < (own.major, own.minor.saturating_sub(3)) {
                findings.push(Finding::error(
                    "KubeletVersion",
                    format!("Kubelet version {version:?} is lower than kubeadm can support. Please upgrade kubelet", version = version.to_string()),
                ));
            }
            let control_plane = control_plane_version.and_then(|version| version.parse::<Version>().ok());
            if let Some(control_plane) = control_plane
                && (version.major, version.minor) > (control_plane.major, control_plane.minor)
            {
                findings.push(Finding::error(
                    "KubeletVersion",
                    format!("the kubelet version is higher than the control plane version. This is not a supported version skew and may lead to a malfunctional cluster. Kubelet version: \"{version}\" Control plane version: \"{control_plane}\""),
                ));
            }
        }
        (None, Some(problem), _) => {
            findings
                .push(Finding::error("KubeletVersion", format!("couldn't get kubelet version: {problem}")));
        }
        _ => {}
    }
    match facts.init_system {
        None => findings.push(Finding::warning(
            "Service-kubelet",
            "no supported init system detected, skipping checking for services; start the kubelet yourself",
        )),
        Some(_) if !facts.kubelet_service.exists => {
            findings.push(Finding::warning("Service-kubelet", "kubelet service does not exist"));
        }
        Some("systemd") if !facts.kubelet_service.enabled => findings.push(Finding::warning(
            "Service-kubelet",
            "kubelet service is not enabled, please run 'systemctl enable kubelet.service'",
        )),
        Some(_) => {}
    }
    findings
}

fn forwarding(facts: &Facts, four: bool, six: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wanted = [(four, IPV4_FORWARD), (six, IPV6_FORWARD), (four, BRIDGE_NETFILTER)];
    for (needed, path) in wanted {
        if !needed {
            continue;
        }
        let name = format!("FileContent-{}", path.replace('/', "-"));
        let setting = path.trim_start_matches("/proc/sys/").replace('/', ".");
        match facts.sysctls.get(path).cloned().flatten() {
            None if path == BRIDGE_NETFILTER => {
                findings.push(Finding::error(
                    name,
                    format!("{path} does not exist; load it with 'modprobe br_netfilter'"),
                ));
            }
            None => findings.push(Finding::error(name, format!("{path} does not exist"))),
            Some(value) if value != "1" => findings.push(Finding::error(
                name,
                format!("{path} contents are not set to 1; set it with 'sysctl -w {setting}=1'"),
            )),
            Some(_) => {}
        }
    }
    findings
}

/// Settings of the kubelet that must fit the host's control groups.
fn cgroup_settings(facts: &Facts, configuration: &Configuration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kubelet = &configuration.kubelet;
    let refuses_v1 = kubelet.fields.get("failCgroupV1").and_then(serde_json::Value::as_bool).unwrap_or(true);
    if facts.cgroups.version == 1 {
        let message = "cgroups v1 support is in maintenance mode, please migrate to cgroups v2";
        if refuses_v1 {
            findings.push(Finding::error(
                "SystemVerification",
                format!("{message}, or set failCgroupV1: false in the KubeletConfiguration"),
            ));
        } else {
            findings.push(Finding::warning("SystemVerification", message));
        }
    }
    let given = kubelet.text("cgroupDriver");
    let actual = facts.runtime.as_ref().and_then(|runtime| runtime.cgroup_driver);
    if let (Some(given), Some(actual)) = (given, actual)
        && given != actual
    {
        findings.push(Finding::error(
            "CgroupDriver",
            format!("the kubelet's cgroup driver is {given:?} and the container runtime's is {actual:?}; set both to the same"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
