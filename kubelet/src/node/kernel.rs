//! Kernel settings a node needs, and conditions under which it must not run.

use kubelet_core::ports::{CgroupVersion, Machine, MachineFacts};

use crate::config::KubeletConfiguration;

/// Settings and the values they must have.
const SYSCTLS: [(&str, &str); 6] = [
    ("vm.overcommit_memory", "1"),
    ("vm.panic_on_oom", "0"),
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("kernel.keys.root_maxkeys", "1000000"),
    ("kernel.keys.root_maxbytes", "25000000"),
];

/// What users are told of a machine with cgroup v1.
pub const CGROUP_V1_WARNING: &str = "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future \
    release. Please migrate to cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";

/// Why the kubelet does not start here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    #[error(
        "kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed \
         in a future release (set failCgroupV1 to false to run anyway)"
    )]
    CgroupV1,
    #[error(
        "running with swap on is not supported, please disable swap or set --fail-swap-on flag to false ({0} bytes of swap)"
    )]
    Swap(u64),
    #[error("invalid kernel flag: {name}, expected value: {expected}, actual value: {actual}")]
    Sysctl { name: &'static str, expected: &'static str, actual: String },
}

/// Checks what must hold before anything runs.
pub fn check(
    config: &KubeletConfiguration,
    facts: &MachineFacts,
    cgroups: CgroupVersion,
) -> Result<(), KernelError> {
    if cgroups == CgroupVersion::V1 {
        if config.fail_cgroup_v1 {
            return Err(KernelError::CgroupV1);
        }
        tracing::warn!("{CGROUP_V1_WARNING}");
    }
    if config.fail_swap_on && facts.swap_bytes > 0 {
        return Err(KernelError::Swap(facts.swap_bytes));
    }
    Ok(())
}

/// Sets what can be set. With `protectKernelDefaults` nothing is set, and a wrong value is an error.
pub async fn prepare(config: &KubeletConfiguration, machine: &dyn Machine) -> Result<(), KernelError> {
    for (name, expected) in SYSCTLS {
        let actual = match machine.sysctl(name).await {
            Ok(actual) => actual.trim().to_owned(),
            Err(error) => {
                tracing::warn!(%error, name, "kernel setting not readable");
                continue;
            }
        };
        if actual == expected {
            continue;
        }
        if config.protect_kernel_defaults {
            return Err(KernelError::Sysctl { name, expected, actual });
        }
        if let Err(error) = machine.set_sysctl(name, expected).await {
            tracing::warn!(%error, name, actual, expected, "kernel setting left as it is");
        }
    }
    raise_open_files(config.max_open_files);
    if let Err(error) = machine.set_oom_score_adj(0, config.oom_score_adj).await {
        tracing::warn!(%error, wanted = config.oom_score_adj, "oom_score_adj of the kubelet left as it is");
    }
    Ok(())
}

/// Raises the limit of open files to what the configuration asks for, or as far as the hard limit lets it.
fn raise_open_files(wanted: i64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Ok(wanted) = u64::try_from(wanted) else { return };
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let raised = Rlimit { current: Some(current), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) if current < wanted => {
            tracing::info!(current, wanted, "the hard limit of open files is lower than maxOpenFiles");
        }
        Ok(()) => {}
        Err(error) => tracing::warn!(%error, wanted, "limit of open files left as it is"),
    }
}
