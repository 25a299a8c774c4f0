//! The table of certificates a cluster has, with upstream's names, places, subjects and usages.

use std::net::IpAddr;

use component_base::tls::ExtendedUsage as Usage;

use crate::{
    config::{
        Configuration,
        v1beta4::ControlPlaneComponent,
        validation::{argument, parse_host_port},
    },
    constants,
    render::addresses::api_server_virtual_address,
};

/// Where the subject's common name comes from.
#[derive(Clone, Copy, Debug)]
pub enum CommonName {
    Fixed(&'static str),
    NodeName,
}

/// One certificate of the table.
#[derive(Debug)]
pub struct Spec {
    /// Name of the sub-phase of `certs` that makes it.
    pub name: &'static str,
    /// What it is, to complete "Generate the …".
    pub description: &'static str,
    /// File name without extension, below the folder of the certificates.
    pub base_name: &'static str,
    /// Name of the authority that signs it; none for authorities, which sign themselves.
    pub authority: Option<&'static str>,
    pub common_name: CommonName,
    pub organization: Option<&'static str>,
    pub usages: &'static [Usage],
    /// The names it is valid for besides.
    pub alternative_names: fn(&Configuration) -> Vec<String>,
    /// Whether it is only made when kubeadm runs etcd itself.
    pub local_etcd: bool,
    /// Whether the cluster does without where nobody here can sign.
    pub optional: bool,
}

const CLIENT: &[Usage] = &[Usage::ClientAuth];
/// etcd members are clients of each other with their server certificates.
const BOTH: &[Usage] = &[Usage::ServerAuth, Usage::ClientAuth];

/// All certificates; authorities stand before those they sign.
pub const ALL: [Spec; 12] = [
    authority(
        "ca",
        "self-signed Kubernetes CA to provision identities for other Kubernetes components",
        "ca",
        "kubernetes",
        false,
    ),
    Spec {
        name: "apiserver",
        description: "certificate for serving the Kubernetes API",
        base_name: "apiserver",
        authority: Some("ca"),
        common_name: CommonName::Fixed("kube-apiserver"),
        organization: None,
        usages: &[Usage::ServerAuth],
        alternative_names: api_server_names,
        local_etcd: false,
        optional: false,
    },
    Spec {
        name: "apiserver-kubelet-client",
        description: "certificate for the API server to connect to kubelet",
        base_name: "apiserver-kubelet-client",
        authority: Some("ca"),
        common_name: CommonName::Fixed("kube-apiserver-kubelet-client"),
        organization: Some(constants::CLUSTER_ADMINS),
        usages: CLIENT,
        alternative_names: no_names,
        local_etcd: false,
        optional: false,
    },
    authority(
        "front-proxy-ca",
        "self-signed CA to provision identities for front proxy",
        "front-proxy-ca",
        "front-proxy-ca",
        false,
    ),
    Spec {
        name: "front-proxy-client",
        description: "certificate for the front proxy client",
        base_name: "front-proxy-client",
        authority: Some("front-proxy-ca"),
        common_name: CommonName::Fixed("front-proxy-client"),
        organization: None,
        usages: CLIENT,
        alternative_names: no_names,
        local_etcd: false,
        optional: false,
    },
    authority("etcd-ca", "self-signed CA to provision identities for etcd", "etcd/ca", "etcd-ca", true),
    Spec {
        name: "etcd-server",
        description: "certificate for serving etcd",
        base_name: "etcd/server",
        authority: Some("etcd-ca"),
        common_name: CommonName::NodeName,
        organization: None,
        usages: BOTH,
        alternative_names: etcd_server_names,
        local_etcd: true,
        optional: false,
    },
    Spec {
        name: "etcd-peer",
        description: "certificate for etcd nodes to communicate with each other",
        base_name: "etcd/peer",
        authority: Some("etcd-ca"),
        common_name: CommonName::NodeName,
        organization: None,
        usages: BOTH,
        alternative_names: etcd_peer_names,
        local_etcd: true,
        optional: false,
    },
    Spec {
        name: "etcd-healthcheck-client",
        description: "certificate for liveness probes to healthcheck etcd",
        base_name: "etcd/healthcheck-client",
        authority: Some("etcd-ca"),
        common_name: CommonName::Fixed("kube-etcd-healthcheck-client"),
        organization: None,
        usages: CLIENT,
        alternative_names: no_names,
        local_etcd: true,
        optional: false,
    },
    Spec {
        name: "apiserver-etcd-client",
        description: "certificate the apiserver uses to access etcd",
        base_name: "apiserver-etcd-client",
        authority: Some("etcd-ca"),
        common_name: CommonName::Fixed("kube-apiserver-etcd-client"),
        organization: None,
        usages: CLIENT,
        alternative_names: no_names,
        local_etcd: true,
        optional: false,
    },
    // Upstream lets these two make themselves certificates, which nobody can verify.
    serving(
        constants::CONTROLLER_MANAGER,
        "certificate for serving health and metrics of the controller manager",
        |configuration| component_names(configuration, &configuration.cluster.controller_manager),
    ),
    serving(
        constants::SCHEDULER,
        "certificate for serving health and metrics of the scheduler",
        |configuration| component_names(configuration, &configuration.cluster.scheduler),
    ),
];

const fn serving(
    name: &'static str,
    description: &'static str,
    alternative_names: fn(&Configuration) -> Vec<String>,
) -> Spec {
    Spec {
        name,
        description,
        base_name: name,
        authority: Some("ca"),
        common_name: CommonName::Fixed(name),
        organization: None,
        usages: &[Usage::ServerAuth],
        alternative_names,
        local_etcd: false,
        optional: true,
    }
}

const fn authority(
    name: &'static str,
    description: &'static str,
    base_name: &'static str,
    common_name: &'static str,
    local_etcd: bool,
) -> Spec {
    Spec {
        name,
        description,
        base_name,
        authority: None,
        common_name: CommonName::Fixed(common_name),
        organization: None,
        usages: &[],
        alternative_names: no_names,
        local_etcd,
        optional: false,
    }
}

/// The certificate with a name.
pub fn find(name: &str) -> Option<&'static Spec> {
    ALL.iter().find(|spec| spec.name == name)
}

impl Spec {
    /// The subject's common name.
    pub fn subject<'a>(&self, configuration: &'a Configuration) -> &'a str {
        match self.common_name {
            CommonName::Fixed(name) => name,
            CommonName::NodeName => &configuration.init.node_registration.name,
        }
    }

    /// Whether a cluster with this configuration has the certificate.
    pub fn is_needed(&self, configuration: &Configuration) -> bool {
        !self.local_etcd || configuration.cluster.etcd.local.is_some()
    }
}

fn no_names(_: &Configuration) -> Vec<String> {
    Vec::new()
}

fn api_server_names(configuration: &Configuration) -> Vec<String> {
    let cluster = &configuration.cluster;
    let mut names = vec![
        configuration.init.node_registration.name.clone(),
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        format!("kubernetes.default.svc.{}", cluster.networking.dns_domain),
    ];
    names.extend(
        api_server_virtual_address(&cluster.networking.service_subnet).map(|address| address.to_string()),
    );
    names.push(configuration.init.local_api_endpoint.advertise_address.clone());
    names.extend(parse_host_port(&cluster.control_plane_endpoint).map(|(host, _)| host));
    names.extend(cluster.api_server.cert_sans.iter().cloned());
    without_repetition(names)
}

/// Where a component that listens for this host, or where it is told to, can be asked.
fn component_names(configuration: &Configuration, component: &ControlPlaneComponent) -> Vec<String> {
    let bound = argument(&component.extra_args, "bind-address");
    let bound =
        bound.filter(|address| address.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified()));
    let mut names = vec![
        configuration.init.node_registration.name.clone(),
        "localhost".to_owned(),
        configuration.init.local_api_endpoint.advertise_address.clone(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    names.extend(bound.map(str::to_owned));
    without_repetition(names)
}

fn etcd_server_names(configuration: &Configuration) -> Vec<String> {
    etcd_names(configuration, |local| &local.server_cert_sans)
}

fn etcd_peer_names(configuration: &Configuration) -> Vec<String> {
    etcd_names(configuration, |local| &local.peer_cert_sans)
}

fn etcd_names(
    configuration: &Configuration,
    extra: fn(&crate::config::v1beta4::LocalEtcd) -> &Vec<String>,
) -> Vec<String> {
    let mut names = vec![
        configuration.init.node_registration.name.clone(),
        "localhost".to_owned(),
        configuration.init.local_api_endpoint.advertise_address.clone(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if let Some(local) = &configuration.cluster.etcd.local {
        names.extend(extra(local).iter().cloned());
    }
    without_repetition(names)
}

/// DNS names sorted and then addresses in their order, each once, as upstream's certificates have them.
fn without_repetition(names: Vec<String>) -> Vec<String> {
    let (addresses, mut dns): (Vec<String>, Vec<String>) =
        names.into_iter().filter(|name| !name.is_empty()).partition(|name| name.parse::<IpAddr>().is_ok());
    dns.sort();
    dns.dedup();
    for address in addresses {
        if !dns.contains(&address) {
            dns.push(address);
        }
    }
    dns
}
