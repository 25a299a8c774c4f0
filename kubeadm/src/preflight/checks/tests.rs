//! A good host finds nothing; each flaw finds exactly its own check.

use super::*;
use crate::{
    preflight::{
        Severity,
        facts::{Cgroups, Runtime, Service},
    },
    render::control_plane::tests::configuration,
};

fn good_host() -> Facts {
    Facts {
        is_root: true,
        cpus: 2,
        memory_mib: 4000,
        sysctls: [IPV4_FORWARD, IPV6_FORWARD, BRIDGE_NETFILTER]
            .into_iter()
            .map(|path| (path.to_owned(), Some("1".to_owned())))
            .collect(),
        cgroups: Cgroups { version: 2, controllers: CONTROLLERS.map(str::to_owned).into() },
        kernel: "6.1.0-18-amd64".to_owned(),
        filesystems: ["overlay".to_owned()].into(),
        programs: PROGRAMS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        cni_plugins: true,
        kubelet_version: constants::KUBERNETES_VERSION.parse().ok(),
        free_mib: [("/var/lib/kubelet".to_owned(), 50_000)].into(),
        kubelet_service: Service { exists: true, enabled: true, active: false },
        init_system: Some("systemd"),
        runtime: Some(Runtime {
            problem: None,
            tells_cgroup_driver: true,
            cgroup_driver: Some("cgroupfs"),
            sandbox_image: Some("registry.k8s.io/pause:3.10.2".to_owned()),
        }),
        ..Facts::default()
    }
}

#[test]
fn a_good_host_has_no_findings() {
    assert_eq!(init(&good_host(), &configuration()), []);
    let mut joining = JoinConfiguration::default();
    joining.node_registration.name = "node-2".to_owned();
    assert_eq!(join(&good_host(), &joining), []);
}

#[track_caller]
fn check(change: impl FnOnce(&mut Facts), severity: Severity, name: &str, part: &str) {
    let mut facts = good_host();
    change(&mut facts);
    let findings = init(&facts, &configuration());
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].severity, findings[0].check.as_str()), (severity, name));
    assert!(findings[0].message.contains(part), "{:?}", findings[0].message);
}

#[test]
fn each_flaw_is_found_and_cured() {
    use Severity::{Error, Warning};
    check(|host| host.is_root = false, Error, "IsPrivilegedUser", "sudo");
    check(|host| host.cpus = 1, Error, "NumCPU", "CPUs 1 is less than the required 2");
    check(|host| host.memory_mib = 100, Error, "Mem", "100 MB");
    check(|host| host.used_ports = [6443].into(), Error, "Port-6443", "Port 6443 is in use");
    check(
        |host| host.occupied_paths = ["/etc/kubernetes/manifests/etcd.yaml".to_owned()].into(),
        Error,
        "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
        "kubeadm reset",
    );
    check(
        |host| host.occupied_paths = ["/var/lib/etcd".to_owned()].into(),
        Error,
        "DirAvailable--var-lib-etcd",
        "is not empty",
    );
    check(|host| host.swap = true, Warning, "Swap", "swapoff");
    check(
        |host| drop(host.sysctls.insert(IPV4_FORWARD.to_owned(), Some("0".to_owned()))),
        Error,
        "FileContent--proc-sys-net-ipv4-ip_forward",
        "sysctl -w net.ipv4.ip_forward=1",
    );
    check(
        |host| drop(host.sysctls.insert(BRIDGE_NETFILTER.to_owned(), None)),
        Error,
        "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
        "modprobe br_netfilter",
    );
    check(|host| host.kernel = "3.10.0".to_owned(), Error, "SystemVerification", "3.10.0");
    check(|host| host.filesystems.clear(), Error, "SystemVerification", "overlay");
    check(
        |host| _ = host.cgroups.controllers.remove("pids"),
        Error,
        "SystemVerification",
        "missing required cgroups: pids",
    );
    check(|host| host.cgroups.version = 0, Error, "SystemVerification", "no cgroup");
    check(|host| _ = host.programs.remove("losetup"), Error, "FileExisting-losetup", "util-linux");
    check(|host| host.cni_plugins = false, Warning, "CNIPlugins", "containernetworking-plugins");
    check(|host| host.nftables = Some("Operation not supported".to_owned()), Error, "Nftables", "nf_tables");
    check(|host| host.name_lookup = Some("unknown".to_owned()), Warning, "Hostname", "/etc/hosts");
    check(|host| host.free_mib = [("/var/lib/etcd".to_owned(), 5)].into(), Error, "DiskSpace", "only 5 MiB");
    check(
        |host| host.kubelet_version = "v1.32.9".parse().ok(),
        Error,
        "KubeletVersion",
        "lower than kubeadm can support",
    );
    check(
        |host| host.kubelet_version = "v1.37.0".parse().ok(),
        Error,
        "KubeletVersion",
        "higher than the control plane",
    );
    check(|host| host.kubelet_service.enabled = false, Warning, "Service-kubelet", "systemctl enable");
    check(|host| host.firewalld_active = true, Warning, "Firewalld", "6443 10250");
}

#[test]
fn the_runtime_must_answer_and_agree() {
    use Severity::{Error, Warning};
    let runtime = |change: fn(&mut Runtime)| {
        move |host: &mut Facts| {
            if let Some(runtime) = &mut host.runtime {
                change(runtime);
            }
        }
    };
    check(runtime(|runtime| runtime.problem = Some("no such file".to_owned())), Error, "CRI", "no such file");
    check(
        runtime(|runtime| runtime.tells_cgroup_driver = false),
        Warning,
        "ContainerRuntimeVersion",
        "RuntimeConfig",
    );
    check(runtime(|runtime| runtime.cgroup_driver = Some("systemd")), Error, "CgroupDriver", "\"systemd\"");
    check(
        runtime(|runtime| runtime.sandbox_image = Some("pause:3.6".to_owned())),
        Warning,
        "SandboxImage",
        "pause:3.6",
    );
}

#[test]
fn cgroup_v1_needs_the_users_consent() {
    let mut facts = good_host();
    facts.cgroups.version = 1;
    let mut configuration = configuration();
    let find = |configuration: &Configuration| {
        init(&facts, configuration).into_iter().map(|finding| finding.severity).collect::<Vec<_>>()
    };
    assert_eq!(find(&configuration), [Severity::Error]);
    configuration.kubelet.fields.insert("failCgroupV1".to_owned(), false.into());
    assert_eq!(find(&configuration), [Severity::Warning]);
}

#[test]
fn every_problem_is_found_at_once() {
    let findings = init(&Facts::default(), &configuration());
    let names: Vec<&str> = findings.iter().map(|finding| finding.check.as_str()).collect();
    for expected in ["IsPrivilegedUser", "NumCPU", "Mem", "FileExisting-mount", "SystemVerification"] {
        assert!(names.contains(&expected), "{expected} is missing in {names:?}");
    }
}
