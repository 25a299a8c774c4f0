//! Name resolution of pods: the host's resolv.conf, the cluster's servers and the pod's own wishes, merged.

use api_types::core::v1::{Pod, PodDNSConfig};

use crate::pod;
use crate::ports::DnsConfig;

/// Most name servers a resolver reads.
const MAX_SERVERS: usize = 3;
/// Most search domains.
const MAX_SEARCHES: usize = 32;
/// Longest search line, in bytes.
const MAX_SEARCH_BYTES: usize = 2048;
/// Longest single domain; longer ones make some resolvers abort.
const MAX_DOMAIN_BYTES: usize = 253;
const DEFAULT_OPTIONS: [&str; 1] = ["ndots:5"];

/// What the node knows about name resolution.
#[derive(Clone, Debug, Default)]
pub struct DnsFacts {
    /// `clusterDNS`.
    pub cluster_servers: Vec<String>,
    /// `clusterDomain`.
    pub cluster_domain: String,
    /// The parsed file of `resolvConf`; `None` when that is set to nothing, which turns host lookups off.
    pub host: Option<DnsConfig>,
    /// Addresses of the node, for the local resolver of their family.
    pub node_ips: Vec<String>,
}

/// A pod's resolver settings, with warnings for events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDns {
    pub config: DnsConfig,
    /// Reason and message of events on the pod.
    pub warnings: Vec<(&'static str, String)>,
}

/// Parses a resolv.conf: servers add up, the last search line and the last value of each option win.
pub fn parse_resolv_conf(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        match fields.next() {
            Some("nameserver") => config.servers.extend(fields.next().map(str::to_owned)),
            Some("search") => {
                config.searches = fields
                    .filter(|domain| *domain != ".")
                    .map(|domain| domain.strip_suffix('.').unwrap_or(domain).to_owned())
                    .collect();
            }
            Some("options") => {
                for option in fields {
                    set_option(&mut config.options, option.to_owned());
                }
            }
            _ => {}
        }
    }
    config
}

/// The resolver settings of a pod.
pub fn pod_dns(pod: &Pod, facts: &DnsFacts) -> PodDns {
    let mut result = PodDns::default();
    let policy = pod.spec.dns_policy.as_str();
    let cluster = match policy {
        "None" => false,
        "Default" => false,
        "ClusterFirst" => !pod::uses_host_network(pod),
        // ClusterFirstWithHostNet, and anything unknown: the safe choice.
        _ => true,
    };
    if policy == "None" {
        // The pod's own settings are all there is.
    } else if cluster && !facts.cluster_servers.is_empty() {
        let host_searches = facts.host.as_ref().map(|host| host.searches.clone()).unwrap_or_default();
        result.config = DnsConfig {
            servers: facts.cluster_servers.clone(),
            searches: cluster_searches(pod, &facts.cluster_domain, host_searches),
            options: DEFAULT_OPTIONS.map(str::to_owned).to_vec(),
        };
    } else {
        if cluster {
            result.warnings.push((
                "MissingClusterDNS",
                format!(
                    "pod: {:?}. kubelet does not have ClusterDNS IP configured and cannot create Pod using \
                     \"ClusterFirst\" policy. Falling back to \"Default\" policy.",
                    pod::describe(pod)
                ),
            ));
        }
        result.config = match &facts.host {
            Some(host) => host.clone(),
            None => local_resolver(&facts.node_ips),
        };
    }
    if let Some(own) = &pod.spec.dns_config {
        merge(&mut result.config, own);
    }
    fit_limits(&mut result);
    result
}

fn cluster_searches(pod: &Pod, domain: &str, host: Vec<String>) -> Vec<String> {
    if domain.is_empty() {
        return host;
    }
    let mut searches =
        vec![format!("{}.svc.{domain}", pod.metadata.namespace), format!("svc.{domain}"), domain.to_owned()];
    searches.extend(host);
    without_duplicates(searches)
}

/// No host resolver is configured: a server on the node itself, and no search.
fn local_resolver(node_ips: &[String]) -> DnsConfig {
    let mut servers: Vec<String> =
        node_ips.iter().map(|ip| if ip.contains(':') { "::1" } else { "127.0.0.1" }.to_owned()).collect();
    if servers.is_empty() {
        servers.push("127.0.0.1".to_owned());
    }
    DnsConfig { servers, searches: vec![".".to_owned()], options: Vec::new() }
}

fn merge(config: &mut DnsConfig, own: &PodDNSConfig) {
    config.servers.extend(own.nameservers.iter().cloned());
    config.servers = without_duplicates(std::mem::take(&mut config.servers));
    config.searches.extend(own.searches.iter().cloned());
    config.searches = without_duplicates(std::mem::take(&mut config.searches));
    for option in &own.options {
        let text = match option.value.as_deref() {
            Some(value) if !value.is_empty() => format!("{}:{value}", option.name),
            _ => option.name.clone(),
        };
        set_option(&mut config.options, text);
    }
}

/// Sets an option, in place of one of the same name.
fn set_option(options: &mut Vec<String>, option: String) {
    let name = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    match options.iter_mut().find(|known| name(known) == name(&option)) {
        Some(known) => *known = option,
        None => options.push(option),
    }
}

fn without_duplicates(list: Vec<String>) -> Vec<String> {
    let mut seen = hashbrown::HashSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

fn fit_limits(result: &mut PodDns) {
    let config = &mut result.config;
    if config.servers.len() > MAX_SERVERS {
        config.servers.truncate(MAX_SERVERS);
        result.warnings.push((
            "DNSConfigForming",
            format!(
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
                config.servers.join(" ")
            ),
        ));
    }
    let before = config.searches.len();
    config.searches.truncate(MAX_SEARCHES);
    config.searches.retain(|domain| domain.len() <= MAX_DOMAIN_BYTES);
    while config.searches.join(" ").len() > MAX_SEARCH_BYTES {
        config.searches.pop();
    }
    if config.searches.len() < before {
        result.warnings.push((
            "DNSConfigForming",
            format!(
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
                config.searches.join(" ")
            ),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> DnsFacts {
        DnsFacts {
            cluster_servers: vec!["10.96.0.10".into()],
            cluster_domain: "cluster.local".into(),
            host: Some(parse_resolv_conf(
                "# comment\nnameserver 1.1.1.1\nsearch a.example.\nsearch b.example. .\noptions ndots:1 rotate\noptions ndots:2",
            )),
            node_ips: vec!["192.0.2.1".into()],
        }
    }

    fn pod(policy: &str, host_network: bool) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.namespace = "work".into();
        pod.spec.dns_policy = policy.into();
        pod.spec.host_network = host_network;
        pod
    }

    fn check(pod: &Pod, facts: &DnsFacts, servers: &[&str], searches: &[&str], options: &[&str]) {
        let config = pod_dns(pod, facts).config;
        assert_eq!(config.servers, servers);
        assert_eq!(config.searches, searches);
        assert_eq!(config.options, options);
    }

    #[test]
    fn policies() {
        let cluster = ["work.svc.cluster.local", "svc.cluster.local", "cluster.local", "b.example"];
        check(&pod("ClusterFirst", false), &facts(), &["10.96.0.10"], &cluster, &["ndots:5"]);
        check(&pod("ClusterFirstWithHostNet", true), &facts(), &["10.96.0.10"], &cluster, &["ndots:5"]);
        check(&pod("ClusterFirst", true), &facts(), &["1.1.1.1"], &["b.example"], &["ndots:2", "rotate"]);
        check(&pod("Default", false), &facts(), &["1.1.1.1"], &["b.example"], &["ndots:2", "rotate"]);
        check(&pod("None", false), &facts(), &[], &[], &[]);
        let no_host = DnsFacts { host: None, ..facts() };
        check(&pod("Default", false), &no_host, &["127.0.0.1"], &["."], &[]);
    }

    #[test]
    fn own_settings_are_added_within_limits() {
        let mut pod = pod("ClusterFirst", false);
        pod.spec.dns_config = Some(Box::new(PodDNSConfig {
            nameservers: ["10.96.0.10", "2.2.2.2", "3.3.3.3", "4.4.4.4"].map(str::to_owned).to_vec(),
            ..PodDNSConfig::default()
        }));
        let dns = pod_dns(&pod, &facts());
        assert_eq!(dns.config.servers, ["10.96.0.10", "2.2.2.2", "3.3.3.3"]);
        assert_eq!(dns.warnings.len(), 1);
    }

    #[test]
    fn missing_cluster_servers_fall_back_with_a_warning() {
        let facts = DnsFacts { cluster_servers: Vec::new(), ..facts() };
        let dns = pod_dns(&pod("ClusterFirst", false), &facts);
        assert_eq!(dns.config.servers, ["1.1.1.1"]);
        assert_eq!(dns.warnings.first().map(|(reason, _)| *reason), Some("MissingClusterDNS"));
    }
}
