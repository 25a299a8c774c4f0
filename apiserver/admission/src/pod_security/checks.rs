//! The table of all checks, and which of them a level as of a version asks for.
//!
//! Source: `k8s.io/pod-security-admission/policy`.

use super::levels::{Level, Standard, Version};
use super::subject::{Finding, Subject};
use super::{baseline, restricted};

/// A form of a check and the minor version it came with.
pub(super) type Form = (u32, fn(Subject<'_>) -> Option<Finding>);

/// One check in the forms it has had.
pub(super) struct Check {
    pub id: &'static str,
    pub level: Level,
    /// All forms, oldest first.
    pub forms: &'static [Form],
    /// The weaker check of the baseline that this one makes superfluous.
    pub replaces: &'static str,
}

const fn baseline(id: &'static str, forms: &'static [Form]) -> Check {
    Check { id, level: Level::Baseline, forms, replaces: "" }
}

const fn restricted(id: &'static str, forms: &'static [Form], replaces: &'static str) -> Check {
    Check { id, level: Level::Restricted, forms, replaces }
}

/// All checks in the order in which they are told: those of the baseline first, then by name.
pub(super) static ALL: [Check; 19] = [
    baseline("appArmorProfile", &[(0, baseline::app_armor)]),
    baseline("capabilities_baseline", &[(0, baseline::capabilities)]),
    baseline("hostNamespaces", &[(0, baseline::host_namespaces)]),
    baseline("hostPathVolumes", &[(0, baseline::host_path_volumes)]),
    baseline("hostPorts", &[(0, baseline::host_ports)]),
    baseline("hostProbesAndHostLifecycle", &[(34, baseline::probe_hosts)]),
    baseline("privileged", &[(0, baseline::privileged)]),
    baseline("procMount", &[(0, baseline::proc_mount), (35, baseline::proc_mount_1_35)]),
    baseline("seLinuxOptions", &[(0, baseline::se_linux), (31, baseline::se_linux_1_31)]),
    baseline("seccompProfile_baseline", &[(0, baseline::seccomp_annotations), (19, baseline::seccomp)]),
    baseline(
        "sysctls",
        &[
            (0, baseline::sysctls),
            (27, baseline::sysctls_1_27),
            (29, baseline::sysctls_1_29),
            (32, baseline::sysctls_1_32),
        ],
    ),
    baseline("windowsHostProcess", &[(0, baseline::host_process)]),
    restricted(
        "allowPrivilegeEscalation",
        &[(8, restricted::privilege_escalation), (25, restricted::privilege_escalation_1_25)],
        "",
    ),
    restricted(
        "capabilities_restricted",
        &[(22, restricted::capabilities), (25, restricted::capabilities_1_25)],
        "capabilities_baseline",
    ),
    restricted("procMount_restricted", &[(35, restricted::proc_mount)], "procMount"),
    restricted("restrictedVolumes", &[(0, restricted::volumes)], "hostPathVolumes"),
    restricted(
        "runAsNonRoot",
        &[(0, restricted::run_as_non_root), (35, restricted::run_as_non_root_1_35)],
        "",
    ),
    restricted("runAsUser", &[(23, restricted::run_as_user), (35, restricted::run_as_user_1_35)], ""),
    restricted(
        "seccompProfile_restricted",
        &[(19, restricted::seccomp), (25, restricted::seccomp_1_25)],
        "seccompProfile_baseline",
    ),
];

impl Check {
    /// The form of a version; `None` before the check was there.
    pub(super) fn form(&self, version: Version) -> Option<fn(Subject<'_>) -> Option<Finding>> {
        let form = self.forms.iter().rev().find(|(since, _)| Version::Minor(*since) <= version);
        form.map(|(_, check)| *check)
    }
}

/// Everything about the pod that is not within the standard.
pub fn evaluate(standard: Standard, subject: Subject<'_>) -> Vec<Finding> {
    let Standard { level, version } = standard;
    let asked = || ALL.iter().filter(|check| check.level <= level);
    let replaced = |id: &str| asked().any(|check| check.replaces == id && check.form(version).is_some());
    asked()
        .filter(|check| !replaced(check.id))
        .filter_map(|check| check.form(version))
        .filter_map(|check| check(subject))
        .collect()
}

/// The findings in few words: `host namespaces, privileged`.
pub(super) fn reasons(findings: &[Finding]) -> String {
    let reasons: Vec<&str> = findings.iter().map(|finding| finding.reason.as_str()).collect();
    reasons.join(", ")
}

/// The findings with their details: `host namespaces (hostPID=true), privileged (…)`.
pub(super) fn details(findings: &[Finding]) -> String {
    let details: Vec<String> =
        findings.iter().map(|finding| format!("{} ({})", finding.reason, finding.detail)).collect();
    details.join(", ")
}
