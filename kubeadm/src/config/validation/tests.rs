//! Tables of configurations and what is wrong with them.

use super::*;
use crate::config::{component::ComponentConfig, defaults, v1beta4::InitConfiguration};

fn valid() -> Configuration {
    let mut configuration = Configuration {
        init: InitConfiguration::default(),
        cluster: ClusterConfiguration::default(),
        kubelet: ComponentConfig::default(),
        kube_proxy: ComponentConfig::default(),
    };
    defaults::init(&mut configuration.init);
    defaults::cluster(&mut configuration.cluster);
    configuration.init.bootstrap_tokens[0].token = "abcdef.0123456789abcdef".to_owned();
    configuration.init.node_registration.name = "node-1".to_owned();
    configuration.init.node_registration.cri_socket = "unix:///run/containerd/containerd.sock".to_owned();
    configuration.init.local_api_endpoint.advertise_address = "192.0.2.1".to_owned();
    configuration
}

#[track_caller]
fn check(change: impl FnOnce(&mut Configuration), expected: &str) {
    let mut configuration = valid();
    change(&mut configuration);
    match init(&configuration) {
        Ok(()) => assert_eq!(expected, "", "the configuration was accepted"),
        Err(error) => {
            let error = error.to_string();
            assert!(
                !expected.is_empty() && error.contains(expected),
                "{error:?} does not contain {expected:?}"
            );
        }
    }
}

#[test]
fn the_defaults_are_valid() {
    check(|_| {}, "");
}

#[test]
fn networks() {
    check(|c| c.cluster.networking.pod_subnet = "10.244.0.0/16".to_owned(), "");
    check(|c| c.cluster.networking.pod_subnet = "10.244.0.0/16,fd00:1::/56".to_owned(), "");
    check(
        |c| c.cluster.networking.pod_subnet = "10.244.0.0/33".to_owned(),
        "networking.podSubnet: Invalid value: \"10.244.0.0/33\": couldn't parse subnet",
    );
    check(
        |c| c.cluster.networking.pod_subnet = "10.244.0.0/28".to_owned(),
        "smaller than the size of node subnet",
    );
    check(|c| c.cluster.networking.pod_subnet = "10.0.0.0/7".to_owned(), "difference is greater than 16");
    check(
        |c| c.cluster.networking.pod_subnet = "10.1.0.0/16,10.2.0.0/16".to_owned(),
        "two CIDRs from each family",
    );
    check(
        |c| c.cluster.networking.service_subnet = "10.96.0.0/30".to_owned(),
        "subnet with 4 address(es) is too small, the minimum is 10",
    );
    check(
        |c| c.cluster.networking.service_subnet = "10.0.0.0/8".to_owned(),
        "specified service subnet is too large; for 32-bit addresses, the mask must be >= 12",
    );
    check(
        |c| c.cluster.networking.dns_domain = "Cluster_Local".to_owned(),
        "networking.dnsDomain: Invalid value",
    );
}

#[test]
fn endpoints_keys_and_tokens() {
    check(|c| c.init.local_api_endpoint.bind_port = 70000, "localAPIEndpoint.bindPort: Invalid value: 70000");
    check(|c| c.init.local_api_endpoint.advertise_address = "x".to_owned(), "ip address is not valid");
    check(|c| c.cluster.control_plane_endpoint = "bad_host:1".to_owned(), "controlPlaneEndpoint");
    check(|c| c.init.certificate_key = "zz".to_owned(), "certificateKey");
    check(|c| c.init.certificate_key = "00".to_owned(), "invalid certificate key size 1");
    check(|c| c.init.certificate_key = "0".repeat(64), "");
    check(|c| c.init.bootstrap_tokens[0].token = "x".to_owned(), "bootstrapTokens[0].token");
    check(
        |c| c.init.bootstrap_tokens[0].usages = vec!["other".to_owned()],
        "bootstrapTokens[0].usages: Unsupported value",
    );
    check(
        |c| c.init.bootstrap_tokens[0].groups = vec!["system:masters".to_owned()],
        "bootstrap group must match",
    );
}

#[test]
fn component_settings() {
    let arg = |name: &str| Arg { name: name.to_owned(), value: String::new() };
    check(|c| c.cluster.api_server.extra_args.push(arg("--v")), "without leading dashes");
    check(|c| c.cluster.scheduler.extra_args.push(arg("")), "scheduler.extraArgs");
    check(|c| c.cluster.api_server.cert_sans.push("*.example.org".to_owned()), "");
    check(|c| c.cluster.api_server.cert_sans.push("no way".to_owned()), "apiServer.certSANs");
    check(|c| c.cluster.encryption_algorithm = "RSA-1024".to_owned(), "Must be one of");
    check(
        |c| _ = c.cluster.feature_gates.insert("Nonsense".to_owned(), true),
        "Nonsense is not a valid feature name.",
    );
    check(|c| _ = c.cluster.feature_gates.insert("NodeLocalCRISocket".to_owned(), false), "locked to true");
    check(|c| c.cluster.certificates_dir = "pki".to_owned(), "path is not absolute");
    check(|c| c.cluster.image_repository = "registry//x".to_owned(), "invalid image repository format");
    check(
        |c| c.init.node_registration.image_pull_policy = "Sometimes".to_owned(),
        "nodeRegistration.imagePullPolicy: Unsupported value: \"Sometimes\"",
    );
    check(|c| c.init.node_registration.cri_socket = "tcp://x".to_owned(), "nodeRegistration.criSocket");
}

#[test]
fn stores() {
    let external = |endpoint: &str, ca: &str, cert: &str, key: &str| ExternalEtcd {
        endpoints: vec![endpoint.to_owned()],
        ca_file: ca.to_owned(),
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        ..Default::default()
    };
    check(
        |c| {
            c.cluster.etcd =
                Etcd { local: None, external: Some(external("http://10.0.0.1:2379", "", "", "")) }
        },
        "",
    );
    check(
        |c| {
            c.cluster.etcd =
                Etcd { local: None, external: Some(external("http://10.0.0.1:2379", "/ca", "", "")) }
        },
        "HTTPS scheme",
    );
    check(
        |c| {
            c.cluster.etcd =
                Etcd { local: None, external: Some(external("https://10.0.0.1:2379", "/ca", "/crt", "")) }
        },
        "either both or none",
    );
    check(|c| c.cluster.etcd.external = Some(ExternalEtcd::default()), "mutually exclusive");
    check(|c| c.cluster.etcd = Etcd::default(), "either .Etcd.Local or .Etcd.External is required");
}

#[test]
fn every_problem_is_told_at_once() {
    let mut configuration = valid();
    configuration.cluster.networking.pod_subnet = "x".to_owned();
    configuration.init.local_api_endpoint.bind_port = -1;
    let text = init(&configuration).expect_err("two problems").to_string();
    assert!(text.contains("podSubnet") && text.contains("bindPort"), "{text}");
}

#[test]
fn hosts_and_ports() {
    let expected = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(parse_host_port("a.example:6443"), expected("a.example", Some(6443)));
    assert_eq!(parse_host_port("192.0.2.1"), expected("192.0.2.1", None));
    assert_eq!(parse_host_port("[fd00::1]:6443"), expected("fd00::1", Some(6443)));
    assert_eq!(parse_host_port("fd00::1"), expected("fd00::1", None));
    for text in ["", ":6443", "a:0", "a:99999", "a b:1", "[fd00::1]x"] {
        assert_eq!(parse_host_port(text), None, "{text:?}");
    }
}

#[test]
fn all_excludes_single_checks() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(ignored_checks(&names(&["Swap"]), &names(&["swap", "Mem"])), Ok(names(&["mem", "swap"])));
    assert!(ignored_checks(&names(&["all", "Swap"]), &[]).is_err());
}
