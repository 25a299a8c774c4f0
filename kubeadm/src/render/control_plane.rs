//! The static pods of the API server, the controller manager and the scheduler.

use std::{collections::BTreeMap, path::Path};

use api_types::core::v1::Pod;

use super::{
    addresses::{join_host_port, loopback_like},
    arguments::{arg, set, to_command},
    images,
    static_pod::{Component, HostMounts, environment, liveness, pod, probe_address, readiness, startup},
};
use crate::{
    config::{
        Configuration,
        v1beta4::{Arg, ControlPlaneComponent, ExternalEtcd},
        validation::argument,
    },
    constants,
};

/// What the manifests depend on besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct HostView {
    /// Folders with certificate authorities that links in /etc/ssl/certs may point into and that exist here.
    pub certificate_folders: Vec<&'static str>,
    /// The cluster's authority has no key here, so the controller manager cannot sign.
    pub external_authority: bool,
}

const CERTIFICATE_FOLDERS: [&str; 5] = [
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs";
const AUTHORIZATION_MODES: [&str; 6] = ["Node", "RBAC", "Webhook", "ABAC", "AlwaysAllow", "AlwaysDeny"];
const DIRECTORY: &str = "DirectoryOrCreate";
const FILE: &str = "FileOrCreate";

impl HostView {
    /// Looks at this host.
    pub fn of_host(external_authority: bool) -> Self {
        let certificate_folders =
            CERTIFICATE_FOLDERS.into_iter().filter(|folder| Path::new(folder).exists()).collect();
        Self { certificate_folders, external_authority }
    }
}

/// A component's name and the function that renders its pod.
pub type Renderer = fn(&Configuration, &HostView) -> Pod;

/// The components of the control plane, in the order of the sub-phases.
pub const COMPONENTS: [(&str, Renderer); 3] = [
    (constants::API_SERVER, api_server),
    (constants::CONTROLLER_MANAGER, controller_manager),
    (constants::SCHEDULER, scheduler),
];

fn api_server(configuration: &Configuration, host: &HostView) -> Pod {
    let cluster = &configuration.cluster;
    let endpoint = &configuration.init.local_api_endpoint;
    let mut mounts = HostMounts::default();
    add_certificates(&mut mounts, &cluster.certificates_dir, host);
    if let Some(external) = &cluster.etcd.external {
        for (index, folder) in external_etcd_folders(external, &cluster.certificates_dir).iter().enumerate() {
            mounts.add(&format!("etcd-certs-{index}"), folder, DIRECTORY, true);
        }
    }
    cluster.api_server.extra_volumes.iter().for_each(|extra| mounts.add_extra(extra));
    let address = probe_address(&endpoint.advertise_address);
    let timeouts = configuration.timeouts();
    pod(Component {
        name: constants::API_SERVER,
        image: images::component(constants::API_SERVER, cluster),
        command: api_server_command(configuration),
        mounts,
        requests: &[("cpu", "250m")],
        environment: environment(&cluster.api_server.extra_envs),
        annotations: BTreeMap::from([(
            constants::API_SERVER_ENDPOINT_ANNOTATION.to_owned(),
            join_host_port(&endpoint.advertise_address, endpoint.bind_port),
        )]),
        probe_port: endpoint.bind_port,
        liveness: Some(liveness(&address, "/livez", "HTTPS")),
        readiness: Some(readiness(&address, "/readyz", "HTTPS")),
        startup: Some(startup(&address, "/livez", "HTTPS", &timeouts)),
    })
}

fn api_server_command(configuration: &Configuration) -> Vec<String> {
    let cluster = &configuration.cluster;
    let endpoint = &configuration.init.local_api_endpoint;
    let file = |name: &str| configuration.certificate_path(name).to_string_lossy().into_owned();
    let mut args = vec![
        arg("advertise-address", endpoint.advertise_address.as_str()),
        arg("enable-admission-plugins", "NodeRestriction"),
        arg("service-cluster-ip-range", cluster.networking.service_subnet.as_str()),
        arg("service-account-key-file", file("sa.pub")),
        arg("service-account-signing-key-file", file("sa.key")),
        arg(
            "service-account-issuer",
            format!("https://kubernetes.default.svc.{}", cluster.networking.dns_domain),
        ),
        arg("client-ca-file", file("ca.crt")),
        arg("tls-cert-file", file("apiserver.crt")),
        arg("tls-private-key-file", file("apiserver.key")),
        arg("kubelet-client-certificate", file("apiserver-kubelet-client.crt")),
        arg("kubelet-client-key", file("apiserver-kubelet-client.key")),
        arg("enable-bootstrap-token-auth", "true"),
        arg("secure-port", endpoint.bind_port.to_string()),
        arg("allow-privileged", "true"),
        arg("kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname"),
        arg("requestheader-username-headers", "X-Remote-User"),
        arg("requestheader-group-headers", "X-Remote-Group"),
        arg("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        arg("requestheader-client-ca-file", file("front-proxy-ca.crt")),
        arg("requestheader-allowed-names", "front-proxy-client"),
        arg("proxy-client-cert-file", file("front-proxy-client.crt")),
        arg("proxy-client-key-file", file("front-proxy-client.key")),
    ];
    // Without the cluster's authority on their certificates, kubelets cannot be verified.
    if configuration.kubelet.fields.get("serverTLSBootstrap").is_some_and(|value| value == true) {
        args.push(arg("kubelet-certificate-authority", file("ca.crt")));
    }
    match &cluster.etcd.external {
        Some(external) => add_external_etcd(&mut args, external),
        None => {
            let loopback = loopback_like(&endpoint.advertise_address);
            let local = format!("https://{}", join_host_port(loopback, constants::ETCD_CLIENT_PORT));
            let advertised = cluster
                .etcd
                .local
                .as_ref()
                .and_then(|local| argument(&local.extra_args, "advertise-client-urls"))
                .map_or(local, str::to_owned);
            args.push(arg("etcd-servers", advertised));
            args.push(arg("etcd-cafile", file("etcd/ca.crt")));
            args.push(arg("etcd-certfile", file("apiserver-etcd-client.crt")));
            args.push(arg("etcd-keyfile", file("apiserver-etcd-client.key")));
        }
    }
    let extra = &cluster.api_server.extra_args;
    let mut overrides = extra.clone();
    if argument(extra, "authorization-config").is_none() {
        args.push(arg("authorization-mode", "Node,RBAC"));
        if let Some(modes) = argument(extra, "authorization-mode") {
            // Modes the API server would not start with fall away, all of them if need be.
            let known: Vec<&str> =
                modes.split(',').filter(|mode| AUTHORIZATION_MODES.contains(mode)).collect();
            if known.is_empty() {
                overrides.retain(|arg| arg.name != "authorization-mode");
            } else {
                set(&mut overrides, "authorization-mode", known.join(","));
            }
        }
    }
    command(constants::API_SERVER, args, &overrides)
}

fn add_external_etcd(args: &mut Vec<Arg>, external: &ExternalEtcd) {
    args.push(arg("etcd-servers", external.endpoints.join(",")));
    if !external.ca_file.is_empty() {
        args.push(arg("etcd-cafile", external.ca_file.as_str()));
    }
    if !external.cert_file.is_empty() && !external.key_file.is_empty() {
        args.push(arg("etcd-certfile", external.cert_file.as_str()));
        args.push(arg("etcd-keyfile", external.key_file.as_str()));
    }
}

fn controller_manager(configuration: &Configuration, host: &HostView) -> Pod {
    let cluster = &configuration.cluster;
    let kubeconfig = kubeconfig(constants::CONTROLLER_MANAGER_KUBECONFIG);
    let file = |name: &str| configuration.certificate_path(name).to_string_lossy().into_owned();
    let mut args = vec![
        arg("bind-address", "127.0.0.1"),
        arg("leader-elect", "true"),
        arg("kubeconfig", kubeconfig.as_str()),
        arg("authentication-kubeconfig", kubeconfig.as_str()),
        arg("authorization-kubeconfig", kubeconfig.as_str()),
        arg("client-ca-file", file("ca.crt")),
        arg("requestheader-client-ca-file", file("front-proxy-ca.crt")),
        arg("root-ca-file", file("ca.crt")),
        arg("service-account-private-key-file", file("sa.key")),
        arg("use-service-account-credentials", "true"),
        arg("controllers", "*,bootstrapsigner,tokencleaner"),
        arg("cluster-name", cluster.cluster_name.as_str()),
    ];
    let (certificate, key) = if host.external_authority {
        (String::new(), String::new())
    } else {
        (file("ca.crt"), file("ca.key"))
    };
    if !host.external_authority {
        args.extend(serving_certificate(configuration, constants::CONTROLLER_MANAGER));
    }
    args.push(arg("cluster-signing-cert-file", certificate));
    args.push(arg("cluster-signing-key-file", key));
    if !cluster.networking.pod_subnet.is_empty() {
        args.push(arg("allocate-node-cidrs", "true"));
        args.push(arg("cluster-cidr", cluster.networking.pod_subnet.as_str()));
        args.push(arg("service-cluster-ip-range", cluster.networking.service_subnet.as_str()));
    }
    let component = &cluster.controller_manager;
    let mut mounts = HostMounts::default();
    add_certificates(&mut mounts, &cluster.certificates_dir, host);
    mounts.add("kubeconfig", &kubeconfig, FILE, true);
    component.extra_volumes.iter().for_each(|extra| mounts.add_extra(extra));
    let address = bound_address(component);
    pod(Component {
        name: constants::CONTROLLER_MANAGER,
        image: images::component(constants::CONTROLLER_MANAGER, cluster),
        command: command(constants::CONTROLLER_MANAGER, args, &component.extra_args),
        mounts,
        requests: &[("cpu", "200m")],
        environment: environment(&component.extra_envs),
        annotations: BTreeMap::new(),
        probe_port: i32::from(constants::CONTROLLER_MANAGER_PORT),
        liveness: Some(liveness(&address, "/healthz", "HTTPS")),
        readiness: None,
        startup: Some(startup(&address, "/healthz", "HTTPS", &configuration.timeouts())),
    })
}

fn scheduler(configuration: &Configuration, host: &HostView) -> Pod {
    let cluster = &configuration.cluster;
    let kubeconfig = kubeconfig(constants::SCHEDULER_KUBECONFIG);
    let mut args = vec![
        arg("bind-address", "127.0.0.1"),
        arg("leader-elect", "true"),
        arg("kubeconfig", kubeconfig.as_str()),
        arg("authentication-kubeconfig", kubeconfig.as_str()),
        arg("authorization-kubeconfig", kubeconfig.as_str()),
    ];
    let component = &cluster.scheduler;
    let mut mounts = HostMounts::default();
    mounts.add("kubeconfig", &kubeconfig, FILE, true);
    if !host.external_authority {
        // The scheduler sees its own files and not the folder, which has the keys of the cluster.
        for (name, file) in ["serving-cert", "serving-key"]
            .into_iter()
            .zip(serving_certificate(configuration, constants::SCHEDULER))
        {
            mounts.add(name, &file.value, FILE, true);
            args.push(file);
        }
    }
    component.extra_volumes.iter().for_each(|extra| mounts.add_extra(extra));
    let address = bound_address(component);
    pod(Component {
        name: constants::SCHEDULER,
        image: images::component(constants::SCHEDULER, cluster),
        command: command(constants::SCHEDULER, args, &component.extra_args),
        mounts,
        requests: &[("cpu", "100m")],
        environment: environment(&component.extra_envs),
        annotations: BTreeMap::new(),
        probe_port: i32::from(constants::SCHEDULER_PORT),
        liveness: Some(liveness(&address, "/livez", "HTTPS")),
        readiness: Some(readiness(&address, "/readyz", "HTTPS")),
        startup: Some(startup(&address, "/livez", "HTTPS", &configuration.timeouts())),
    })
}

/// The flags that name a component's serving certificate and its key.
fn serving_certificate(configuration: &Configuration, component: &str) -> [Arg; 2] {
    let file = |extension: &str| {
        configuration.certificate_path(&format!("{component}.{extension}")).to_string_lossy().into_owned()
    };
    [arg("tls-cert-file", file("crt")), arg("tls-private-key-file", file("key"))]
}

fn command(name: &str, args: Vec<Arg>, overrides: &[Arg]) -> Vec<String> {
    let mut command = vec![name.to_owned()];
    command.extend(to_command(args, overrides));
    command
}

fn kubeconfig(file_name: &str) -> String {
    constants::kubeconfig_path(file_name).to_string_lossy().into_owned()
}

fn bound_address(component: &ControlPlaneComponent) -> String {
    argument(&component.extra_args, "bind-address").map_or_else(|| "127.0.0.1".to_owned(), probe_address)
}

fn add_certificates(mounts: &mut HostMounts, certificates_dir: &str, host: &HostView) {
    mounts.add("k8s-certs", certificates_dir, DIRECTORY, true);
    mounts.add("ca-certs", SYSTEM_CERTIFICATES, DIRECTORY, true);
    for folder in &host.certificate_folders {
        mounts.add(&folder.trim_start_matches('/').replace('/', "-"), folder, DIRECTORY, true);
    }
}

/// The folders of the external etcd's files that no other mount shows already, outermost ones only.
fn external_etcd_folders(external: &ExternalEtcd, certificates_dir: &str) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for file in [&external.ca_file, &external.cert_file, &external.key_file] {
        let Some(folder) = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty()) else {
            continue;
        };
        let seen = CERTIFICATE_FOLDERS.iter().chain([&SYSTEM_CERTIFICATES, &certificates_dir]);
        if seen.into_iter().any(|known| folder.starts_with(known))
            || folders.iter().any(|other| folder.starts_with(other))
        {
            continue;
        }
        folders.retain(|other| !Path::new(other).starts_with(folder));
        folders.push(folder.to_string_lossy().into_owned());
    }
    folders.sort();
    folders
}

#[cfg(test)]
pub(crate) mod tests;
