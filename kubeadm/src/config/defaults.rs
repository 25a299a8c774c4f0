//! The values that fields take when nobody set them; nothing here looks at the host.

use super::{
    duration::GoDuration,
    v1beta4::{
        ApiEndpoint, BootstrapToken, ClusterConfiguration, Etcd, InitConfiguration, JoinConfiguration,
        LocalEtcd, NodeRegistration, ResetConfiguration, Timeouts,
    },
};
use crate::constants;

pub const SERVICE_SUBNET: &str = "10.96.0.0/12";
pub const DNS_DOMAIN: &str = "cluster.local";
pub const CLUSTER_NAME: &str = "kubernetes";
pub const ENCRYPTION_ALGORITHM: &str = "RSA-2048";
pub const IMAGE_PULL_POLICY: &str = "IfNotPresent";
/// Where a joining node keeps the certificate of the cluster's authority.
pub const JOIN_CA_PATH: &str = "/etc/kubernetes/pki/ca.crt";

const YEAR: i64 = 365 * 24 * 3600;

/// Completes an InitConfiguration.
pub fn init(init: &mut InitConfiguration) {
    if init.bootstrap_tokens.is_empty() {
        init.bootstrap_tokens.push(BootstrapToken::default());
    }
    init.bootstrap_tokens.iter_mut().for_each(bootstrap_token);
    api_endpoint(&mut init.local_api_endpoint);
    node_registration(&mut init.node_registration);
    timeouts(init.timeouts.get_or_insert_default());
}

/// Completes a ClusterConfiguration.
pub fn cluster(cluster: &mut ClusterConfiguration) {
    text(&mut cluster.networking.service_subnet, SERVICE_SUBNET);
    text(&mut cluster.networking.dns_domain, DNS_DOMAIN);
    text(&mut cluster.certificates_dir, constants::DEFAULT_CERTIFICATES_DIR);
    text(&mut cluster.image_repository, constants::DEFAULT_IMAGE_REPOSITORY);
    text(&mut cluster.cluster_name, CLUSTER_NAME);
    text(&mut cluster.encryption_algorithm, ENCRYPTION_ALGORITHM);
    cluster.certificate_validity_period.get_or_insert(GoDuration::from_secs(YEAR));
    cluster.ca_certificate_validity_period.get_or_insert(GoDuration::from_secs(10 * YEAR));
    etcd(&mut cluster.etcd);
}

/// Completes a JoinConfiguration.
pub fn join(join: &mut JoinConfiguration) {
    text(&mut join.ca_cert_path, JOIN_CA_PATH);
    if let Some(control_plane) = &mut join.control_plane {
        api_endpoint(&mut control_plane.local_api_endpoint);
    }
    if let Some(token) = &join.discovery.bootstrap_token {
        text(&mut join.discovery.tls_bootstrap_token, &token.token);
    }
    if let Some(file) = &mut join.discovery.file
        && let Some(path) = file.kube_config_path.strip_prefix("file://")
    {
        file.kube_config_path = path.to_owned();
    }
    node_registration(&mut join.node_registration);
    timeouts(join.timeouts.get_or_insert_default());
}

/// Completes a ResetConfiguration.
pub fn reset(reset: &mut ResetConfiguration) {
    text(&mut reset.certificates_dir, constants::DEFAULT_CERTIFICATES_DIR);
    timeouts(reset.timeouts.get_or_insert_default());
}

/// Completes the wait limits.
pub fn timeouts(timeouts: &mut Timeouts) {
    let fields: [(&mut Option<GoDuration>, i64); 7] = [
        (&mut timeouts.control_plane_component_health_check, 4 * 60),
        (&mut timeouts.kubelet_health_check, 4 * 60),
        (&mut timeouts.kubernetes_api_call, 60),
        (&mut timeouts.etcd_api_call, 2 * 60),
        (&mut timeouts.tls_bootstrap, 5 * 60),
        (&mut timeouts.discovery, 5 * 60),
        (&mut timeouts.upgrade_manifests, 5 * 60),
    ];
    for (field, seconds) in fields {
        field.get_or_insert(GoDuration::from_secs(seconds));
    }
}

/// Gives the shared endpoint of the control plane the port of this node's API server when it names none.
pub fn control_plane_endpoint(cluster: &mut ClusterConfiguration, bind_port: i32) {
    if cluster.control_plane_endpoint.is_empty() {
        return;
    }
    if let Some((host, None)) = super::validation::parse_host_port(&cluster.control_plane_endpoint) {
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        cluster.control_plane_endpoint = format!("{host}:{bind_port}");
    }
}

/// Completes a bootstrap token, except for its secret.
pub fn bootstrap_token(token: &mut BootstrapToken) {
    if token.ttl.is_none() && token.expires.is_none() {
        token.ttl = Some(GoDuration::from_secs(constants::BOOTSTRAP_TOKEN_LIFE.as_secs() as i64));
    }
    if token.usages.is_empty() {
        token.usages = vec!["signing".to_owned(), "authentication".to_owned()];
    }
    if token.groups.is_empty() {
        token.groups = vec![constants::BOOTSTRAPPERS_GROUP.to_owned()];
    }
}

fn etcd(etcd: &mut Etcd) {
    if etcd.external.is_none() && etcd.local.is_none() {
        etcd.local = Some(LocalEtcd::default());
    }
    if let Some(local) = &mut etcd.local {
        text(&mut local.data_dir, constants::DEFAULT_ETCD_DATA_DIR);
    }
    if let Some(external) = &mut etcd.external
        && external.http_endpoints.is_empty()
    {
        external.http_endpoints = external.endpoints.clone();
    }
}

fn api_endpoint(endpoint: &mut ApiEndpoint) {
    if endpoint.bind_port == 0 {
        endpoint.bind_port = i32::from(constants::API_SERVER_PORT);
    }
}

fn node_registration(node: &mut NodeRegistration) {
    text(&mut node.image_pull_policy, IMAGE_PULL_POLICY);
    node.image_pull_serial.get_or_insert(true);
}

fn text(field: &mut String, default: &str) {
    if field.is_empty() {
        field.push_str(default);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completing_twice_changes_nothing() {
        let (mut first_init, mut first_cluster) = Default::default();
        init(&mut first_init);
        cluster(&mut first_cluster);
        let (mut second_init, mut second_cluster) = (first_init.clone(), first_cluster.clone());
        init(&mut second_init);
        cluster(&mut second_cluster);
        assert_eq!((first_init, first_cluster), (second_init, second_cluster));
    }

    #[test]
    fn a_local_etcd_is_the_default_and_an_external_one_replaces_it() {
        let mut local = ClusterConfiguration::default();
        cluster(&mut local);
        assert_eq!(local.etcd.local.expect("default").data_dir, "/var/lib/etcd");

        let mut external = ClusterConfiguration::default();
        external.etcd.external = Some(super::super::v1beta4::ExternalEtcd {
            endpoints: vec!["https://10.0.0.1:2379".to_owned()],
            ..Default::default()
        });
        cluster(&mut external);
        assert!(external.etcd.local.is_none());
        assert_eq!(external.etcd.external.expect("given").http_endpoints, ["https://10.0.0.1:2379"]);
    }

    #[track_caller]
    fn check_endpoint(given: &str, expected: &str) {
        let mut configuration =
            ClusterConfiguration { control_plane_endpoint: given.to_owned(), ..Default::default() };
        control_plane_endpoint(&mut configuration, 6443);
        assert_eq!(configuration.control_plane_endpoint, expected);
    }

    #[test]
    fn the_shared_endpoint_gets_a_port() {
        check_endpoint("", "");
        check_endpoint("api.example.org", "api.example.org:6443");
        check_endpoint("api.example.org:443", "api.example.org:443");
        check_endpoint("10.0.0.1", "10.0.0.1:6443");
        check_endpoint("fd00::1", "[fd00::1]:6443");
        check_endpoint("[fd00::1]:443", "[fd00::1]:443");
    }
}
