//! The configuration of a pod's sandbox.

use std::collections::BTreeMap;

use api_types::core::v1::{Container, Pod};

use crate::hosts_file::{self, HostNameError};
use crate::observed::{POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL};
use crate::pod;
use crate::ports::{DnsConfig, PortMapping, SandboxConfig};
use crate::qos::{self, ResourcePolicy};
use crate::security::{self, SecurityError};

/// Why a sandbox cannot be configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SandboxConfigError {
    #[error(transparent)]
    HostName(#[from] HostNameError),
    #[error(transparent)]
    Security(#[from] SecurityError),
}

/// What the node adds to the pod's spec.
#[derive(Clone, Debug, Default)]
pub struct SandboxFacts<'a> {
    pub attempt: u32,
    pub cluster_domain: &'a str,
    pub dns: DnsConfig,
    /// Directory of all pods' logs, `/var/log/pods`.
    pub logs_root: &'a str,
    /// In the form of the cgroup driver.
    pub cgroup_parent: String,
    pub policy: ResourcePolicy,
    /// Groups that volumes ask for.
    pub volume_groups: &'a [i64],
}

/// The directory of a pod's logs.
pub fn logs_directory(logs_root: &str, namespace: &str, name: &str, uid: &str) -> String {
    format!("{logs_root}/{namespace}_{name}_{uid}")
}

/// The labels of a sandbox: the pod's own, and those the kubelet finds it by.
fn labels(pod: &Pod) -> BTreeMap<String, String> {
    let meta = &pod.metadata;
    let mut labels = meta.labels.clone();
    labels.insert(POD_NAME_LABEL.to_owned(), meta.name.clone());
    labels.insert(POD_NAMESPACE_LABEL.to_owned(), meta.namespace.clone());
    labels.insert(POD_UID_LABEL.to_owned(), meta.uid.clone());
    labels
}

/// The configuration of the sandbox.
pub fn build(pod: &Pod, facts: &SandboxFacts<'_>) -> Result<SandboxConfig, SandboxConfigError> {
    let meta = &pod.metadata;
    let hostname = if pod::uses_host_network(pod) {
        // The runtime refuses a name of its own for a sandbox on the host's network.
        String::new()
    } else {
        let (name, domain) = hosts_file::host_name(pod, facts.cluster_domain)?;
        hosts_file::kernel_host_name(pod, &name, &domain)?
    };
    let sysctls = pod.spec.security_context.as_ref().map(|context| {
        // Written with slashes or dots; the runtime wants dots between names.
        context.sysctls.iter().map(|sysctl| (dotted(&sysctl.name), sysctl.value.clone())).collect()
    });
    Ok(SandboxConfig {
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        namespace: meta.namespace.clone(),
        attempt: facts.attempt,
        hostname,
        log_directory: logs_directory(facts.logs_root, &meta.namespace, &meta.name, &meta.uid),
        dns: Some(facts.dns.clone()),
        port_mappings: pod
            .spec
            .containers
            .iter()
            .chain(pod.spec.init_containers.iter().filter(|init| pod::is_sidecar(init)))
            .flat_map(port_mappings)
            .collect(),
        labels: labels(pod),
        annotations: meta.annotations.clone(),
        cgroup_parent: facts.cgroup_parent.clone(),
        sysctls: sysctls.unwrap_or_default(),
        security: security::sandbox_security(pod, facts.volume_groups)?,
        overhead: qos::overhead_resources(pod, &facts.policy),
        resources: qos::sandbox_resources(pod, &facts.policy),
    })
}

/// `net/ipv4/ip_forward` as `net.ipv4.ip_forward`: when the first separator is a slash, slashes and dots swap.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']).and_then(|at| name.as_bytes().get(at)) {
        Some(b'/') => name
            .chars()
            .map(|character| match character {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

fn port_mappings(container: &Container) -> Vec<PortMapping> {
    let mut list: Vec<PortMapping> = Vec::new();
    for port in container.ports.iter().filter(|port| port.container_port > 0) {
        let mapping = PortMapping {
            protocol: if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() },
            container_port: port.container_port,
            host_port: port.host_port,
            host_ip: port.host_ip.clone(),
        };
        if !list.contains(&mapping) {
            list.push(mapping);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctl_names() {
        assert_eq!(
            ["net/ipv4/conf/eno2.100/rp_filter", "kernel.shm_rmid_forced", "net.ipv4/x"].map(dotted),
            ["net.ipv4.conf.eno2/100.rp_filter", "kernel.shm_rmid_forced", "net.ipv4/x"]
        );
    }
}
