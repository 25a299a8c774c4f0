//! The static pod of the local etcd.

use std::collections::BTreeMap;

use api_types::core::v1::Pod;

use super::{
    addresses::{join_host_port, loopback_like},
    arguments::{arg, to_command},
    images,
    static_pod::{Component, HostMounts, environment, liveness, pod, readiness, startup},
};
use crate::{
    config::{
        Configuration,
        v1beta4::{ApiEndpoint, LocalEtcd},
        validation::argument,
        version::Version,
    },
    constants,
};

/// A member of an etcd cluster: its name and the URL it talks to the others at.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub name: String,
    pub peer_url: String,
}

/// The pod of a member; `initial_cluster` is empty for the first one.
pub fn etcd(configuration: &Configuration, local: &LocalEtcd, initial_cluster: &[Member]) -> Pod {
    let cluster = &configuration.cluster;
    let endpoint = &configuration.init.local_api_endpoint;
    let mut mounts = HostMounts::default();
    mounts.add("etcd-data", &local.data_dir, "DirectoryOrCreate", false);
    let certificates = configuration.certificate_path("etcd");
    mounts.add("etcd-certs", &certificates.to_string_lossy(), "DirectoryOrCreate", false);
    let (host, port, scheme) = probe_endpoint(local, &endpoint.advertise_address);
    let dialect = dialect(local);
    pod(Component {
        name: constants::ETCD,
        image: images::etcd(cluster),
        command: command(configuration, local, initial_cluster),
        mounts,
        requests: &[("cpu", "100m"), ("memory", "100Mi")],
        environment: environment(&local.extra_envs),
        annotations: BTreeMap::from([(
            constants::ETCD_CLIENT_URLS_ANNOTATION.to_owned(),
            url(&endpoint.advertise_address, constants::ETCD_CLIENT_PORT),
        )]),
        probe_port: i32::from(port),
        liveness: Some(liveness(&host, dialect.liveness, scheme)),
        readiness: Some(readiness(&host, dialect.readiness, scheme)),
        startup: Some(startup(&host, dialect.readiness, scheme, &configuration.timeouts())),
    })
}

/// What releases of etcd call the same things.
struct Dialect {
    liveness: &'static str,
    readiness: &'static str,
    flags: &'static [(&'static str, &'static str)],
}

/// From 3.6 on.
const MODERN: Dialect = Dialect {
    liveness: "/livez",
    readiness: "/readyz",
    flags: &[("feature-gates", "InitialCorruptCheck=true"), ("watch-progress-notify-interval", "5s")],
};
/// 3.4 and 3.5.
const OLDER: Dialect = Dialect {
    liveness: "/health?exclude=NOSPACE&serializable=true",
    readiness: "/health?serializable=false",
    flags: &[
        ("experimental-initial-corrupt-check", "true"),
        ("experimental-watch-progress-notify-interval", "5s"),
    ],
};

/// The dialect of the release that the image's tag names; an unknown tag counts as new.
fn dialect(local: &LocalEtcd) -> &'static Dialect {
    let tag = if local.image_tag.is_empty() { constants::ETCD_VERSION } else { &local.image_tag };
    match tag.parse::<Version>() {
        Ok(version) if (version.major, version.minor) < (3, 6) => &OLDER,
        _ => &MODERN,
    }
}

/// The URL at which this node's etcd talks to other members.
pub fn peer_url(endpoint: &ApiEndpoint) -> String {
    url(&endpoint.advertise_address, constants::ETCD_PEER_PORT)
}

fn url(address: &str, port: u16) -> String {
    format!("https://{}", join_host_port(address, port))
}

fn command(configuration: &Configuration, local: &LocalEtcd, initial_cluster: &[Member]) -> Vec<String> {
    let endpoint = &configuration.init.local_api_endpoint;
    let name = configuration.init.node_registration.name.as_str();
    let file = |name: &str| configuration.certificate_path(name).to_string_lossy().into_owned();
    let loopback = loopback_like(&endpoint.advertise_address);
    let client_url = url(&endpoint.advertise_address, constants::ETCD_CLIENT_PORT);
    let mut args = vec![
        arg("name", name),
        arg("listen-client-urls", format!("{},{client_url}", url(loopback, constants::ETCD_CLIENT_PORT))),
        arg("advertise-client-urls", client_url),
        arg("listen-peer-urls", peer_url(endpoint)),
        arg("initial-advertise-peer-urls", peer_url(endpoint)),
        arg("data-dir", local.data_dir.as_str()),
        arg("cert-file", file("etcd/server.crt")),
        arg("key-file", file("etcd/server.key")),
        arg("trusted-ca-file", file("etcd/ca.crt")),
        arg("client-cert-auth", "true"),
        arg("peer-cert-file", file("etcd/peer.crt")),
        arg("peer-key-file", file("etcd/peer.key")),
        arg("peer-trusted-ca-file", file("etcd/ca.crt")),
        arg("peer-client-cert-auth", "true"),
        arg("snapshot-count", "10000"),
        arg(
            "listen-metrics-urls",
            format!("http://{}", join_host_port(loopback, constants::ETCD_METRICS_PORT)),
        ),
    ];
    args.extend(dialect(local).flags.iter().map(|(name, value)| arg(name, *value)));
    if initial_cluster.is_empty() {
        args.push(arg("initial-cluster", format!("{name}={}", peer_url(endpoint))));
    } else {
        let members: Vec<String> =
            initial_cluster.iter().map(|member| format!("{}={}", member.name, member.peer_url)).collect();
        args.push(arg("initial-cluster", members.join(",")));
        args.push(arg("initial-cluster-state", "existing"));
    }
    let mut command = vec!["etcd".to_owned()];
    command.extend(to_command(args, &local.extra_args));
    command
}

/// Host, port and scheme of the first URL etcd serves its health at.
fn probe_endpoint(local: &LocalEtcd, advertise_address: &str) -> (String, u16, &'static str) {
    let default = (loopback_like(advertise_address).to_owned(), constants::ETCD_METRICS_PORT, "HTTP");
    let Some(urls) = argument(&local.extra_args, "listen-metrics-urls") else { return default };
    let first = urls.split(',').next().unwrap_or_default();
    let Some((scheme, rest)) = first.split_once("://") else { return default };
    let scheme = if scheme == "https" { "HTTPS" } else { "HTTP" };
    let authority = rest.split('/').next().unwrap_or_default();
    match crate::config::validation::parse_host_port(authority) {
        Some((host, port)) => (host, port.unwrap_or(constants::ETCD_METRICS_PORT), scheme),
        None => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::tests::configuration;

    fn container(configuration: &Configuration, members: &[Member]) -> api_types::core::v1::Container {
        let local = configuration.cluster.etcd.local.clone().expect("local etcd");
        etcd(configuration, &local, members).spec.containers[0].clone()
    }

    #[test]
    fn the_first_member_starts_a_cluster_and_others_join_it() {
        let configuration = configuration();
        let first = container(&configuration, &[]);
        assert!(first.command.contains(&"--initial-cluster=node-1=https://192.0.2.1:2380".to_owned()));
        let members = [
            Member { name: "node-0".to_owned(), peer_url: "https://192.0.2.9:2380".to_owned() },
            Member { name: "node-1".to_owned(), peer_url: "https://192.0.2.1:2380".to_owned() },
        ];
        let second = container(&configuration, &members);
        assert!(second.command.contains(&"--initial-cluster-state=existing".to_owned()));
        assert!(second.command.contains(
            &"--initial-cluster=node-0=https://192.0.2.9:2380,node-1=https://192.0.2.1:2380".to_owned()
        ));
    }

    #[test]
    fn flags_and_probes_fit_the_release() {
        let mut configuration = configuration();
        let modern = container(&configuration, &[]);
        assert!(modern.command.contains(&"--feature-gates=InitialCorruptCheck=true".to_owned()));
        configuration.cluster.etcd.local.as_mut().expect("local etcd").image_tag = "3.4.23-0".to_owned();
        let older = container(&configuration, &[]);
        assert!(older.command.contains(&"--experimental-watch-progress-notify-interval=5s".to_owned()));
        assert!(!older.command.iter().any(|word| word.starts_with("--feature-gates")));
        assert_eq!(
            older.liveness_probe.expect("a probe").handler.http_get.expect("by HTTP").path,
            "/health?exclude=NOSPACE&serializable=true"
        );
    }

    #[test]
    fn probes_follow_the_metrics_url() {
        let local = |urls: &str| LocalEtcd {
            extra_args: vec![crate::render::arguments::arg("listen-metrics-urls", urls)],
            ..LocalEtcd::default()
        };
        assert_eq!(
            probe_endpoint(&local("https://10.1.1.1:2500,http://x"), "192.0.2.1"),
            ("10.1.1.1".to_owned(), 2500, "HTTPS")
        );
        assert_eq!(probe_endpoint(&LocalEtcd::default(), "fd00::1"), ("::1".to_owned(), 2381, "HTTP"));
    }
}
