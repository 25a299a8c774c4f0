//! The add-ons every cluster starts with: their manifests filled in from the configuration.

use serde_json::{Value, json};

use super::{addresses, images, yaml};
use crate::{
    cluster::{ClusterError, manifests},
    config::{Configuration, component::KUBE_PROXY_API_VERSION},
    constants,
};

const DNS_MANIFEST: &str = include_str!("../../../deploy/manifests/addons/coredns.yaml");
const KUBE_PROXY_MANIFEST: &str = include_str!("../../../deploy/manifests/addons/kube-proxy.yaml");
const NODE_NETWORK_MANIFEST: &str = include_str!("../../../deploy/manifests/addons/node-network.yaml");

/// An add-on and what it is made of.
pub struct Addon {
    /// Name of the sub-phase of `addon`.
    pub name: &'static str,
    /// What users call it.
    pub title: &'static str,
    pub description: &'static str,
    pub objects: fn(&Configuration) -> Result<Vec<Value>, ClusterError>,
    /// Why a configuration does without it.
    pub skipped: fn(&Configuration) -> Option<&'static str>,
}

/// All add-ons, in the order of the sub-phases.
pub const ALL: [Addon; 3] = [
    Addon {
        name: "coredns",
        title: "CoreDNS",
        description: "Install the CoreDNS addon to a Kubernetes cluster",
        objects: dns,
        skipped: |configuration| configuration.cluster.dns.disabled.then_some("dns.disabled is true"),
    },
    Addon {
        name: "kube-proxy",
        title: "kube-proxy",
        description: "Install the kube-proxy addon to a Kubernetes cluster",
        objects: kube_proxy,
        skipped: |configuration| configuration.cluster.proxy.disabled.then_some("proxy.disabled is true"),
    },
    Addon {
        name: "node-network",
        title: "node-network",
        description: "Install the pod network addon to a Kubernetes cluster",
        objects: node_network,
        skipped: |configuration| {
            let none = configuration.cluster.networking.pod_subnet.is_empty();
            none.then_some("no range of pod addresses is given: see --pod-network-cidr")
        },
    },
];

fn dns(configuration: &Configuration) -> Result<Vec<Value>, ClusterError> {
    let cluster = &configuration.cluster;
    let address =
        addresses::dns_address(&cluster.networking.service_subnet).ok_or_else(|| ClusterError::Manifest {
            message: format!(
                "the range {:?} has no tenth address for the DNS",
                cluster.networking.service_subnet
            ),
        })?;
    fill(
        DNS_MANIFEST,
        &[
            ("DNS_DOMAIN", cluster.networking.dns_domain.clone()),
            ("DNS_ADDRESS", address.to_string()),
            ("IMAGE", images::dns(cluster)),
        ],
    )
}

fn kube_proxy(configuration: &Configuration) -> Result<Vec<Value>, ClusterError> {
    let mut objects = vec![kube_proxy_config_map(configuration)];
    objects.extend(fill(
        KUBE_PROXY_MANIFEST,
        &[("IMAGE", images::component("kube-proxy", &configuration.cluster))],
    )?);
    if let Some(container) =
        objects.last_mut().map(|set| &mut set["spec"]["template"]["spec"]["containers"][0])
        && let Some(variables) = container["env"].as_array_mut()
    {
        let proxies = super::static_pod::environment(&[]);
        variables.extend(
            proxies.into_iter().map(|variable| json!({"name": variable.name, "value": variable.value})),
        );
    }
    Ok(objects)
}

fn kube_proxy_config_map(configuration: &Configuration) -> Value {
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    let kubeconfig = yaml::document(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {
            "certificate-authority": format!("{account}/ca.crt"),
            "server": addresses::configured_endpoint(configuration),
        }}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "namespace": "default", "user": "default"}}],
        "current-context": "default",
        "users": [{"name": "default", "user": {"tokenFile": format!("{account}/token")}}],
    }));
    let config =
        yaml::document(&configuration.kube_proxy.to_value(KUBE_PROXY_API_VERSION, "KubeProxyConfiguration"));
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": constants::KUBE_PROXY_CONFIG_MAP,
            "namespace": constants::KUBE_SYSTEM,
            "labels": {"app": "kube-proxy"},
        },
        "data": {constants::KUBE_PROXY_CONFIG_MAP_KEY: config, "kubeconfig.conf": kubeconfig},
    });
    if !configuration.kube_proxy.user_supplied {
        let hash = config_hash([config.as_str(), kubeconfig.as_str()]);
        map["metadata"]["annotations"] = json!({constants::COMPONENT_CONFIG_HASH_ANNOTATION: hash});
    }
    map
}

fn node_network(configuration: &Configuration) -> Result<Vec<Value>, ClusterError> {
    fill(
        NODE_NETWORK_MANIFEST,
        &[
            ("CONTROL_PLANE_ENDPOINT", addresses::configured_endpoint(configuration)),
            ("POD_SUBNET", configuration.cluster.networking.pod_subnet.clone()),
            ("IMAGE", images::node_network(&configuration.cluster)),
        ],
    )
}

/// The mark of a configuration that kubeadm made itself: the hash of its texts in the order of their keys.
pub fn config_hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    texts.into_iter().for_each(|text| context.update(text.as_bytes()));
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Puts values in the place of `${NAME}` and reads the documents.
fn fill(template: &str, values: &[(&str, String)]) -> Result<Vec<Value>, ClusterError> {
    let text = values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    if let Some(place) = text.find("${") {
        let name: String = text[place..].chars().take_while(|character| *character != '}').collect();
        return Err(ClusterError::Manifest { message: format!("{name}}} has no value") });
    }
    manifests::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::tests::configuration;

    fn kinds(objects: &[Value]) -> String {
        objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn manifests_are_filled_in() {
        let configuration = configuration();
        let dns = dns(&configuration).expect("filled");
        assert_eq!(kinds(&dns), "ServiceAccount ClusterRole ClusterRoleBinding ConfigMap Service Deployment");
        assert_eq!(dns[4]["spec"]["clusterIP"], "10.96.0.10");
        assert!(
            dns[3]["data"]["Corefile"]
                .as_str()
                .expect("text")
                .contains("kubernetes cluster.local in-addr.arpa")
        );
        let proxy = kube_proxy(&configuration).expect("filled");
        assert_eq!(proxy[0]["kind"], "ConfigMap");
        assert!(proxy[0]["data"]["config.conf"].as_str().expect("text").contains("mode: nftables"));
        assert!(proxy[0]["metadata"]["annotations"][constants::COMPONENT_CONFIG_HASH_ANNOTATION].is_string());
        let network = node_network(&configuration).expect("filled");
        let command = &network[4]["spec"]["template"]["spec"]["containers"][0]["command"];
        assert_eq!(command[3], "--cluster-cidr=10.244.0.0/16");
        assert_eq!(command[2], "--node-name=$(NODE_NAME)");
    }

    #[test]
    fn objects_are_strictly_what_they_say() {
        use machinery::Message as _;
        let configuration = configuration();
        for addon in &ALL {
            for object in (addon.objects)(&configuration).expect(addon.name) {
                if object["kind"] == "DaemonSet" {
                    api_types::apps::v1::DaemonSet::from_value(&object).expect(addon.name);
                }
            }
        }
    }

    #[test]
    fn a_cluster_may_do_without() {
        let mut configuration = configuration();
        assert!(ALL.iter().all(|addon| (addon.skipped)(&configuration).is_none()));
        configuration.cluster.networking.pod_subnet.clear();
        configuration.cluster.dns.disabled = true;
        let skipped: Vec<&str> = ALL
            .iter()
            .filter(|addon| (addon.skipped)(&configuration).is_some())
            .map(|addon| addon.name)
            .collect();
        assert_eq!(skipped, ["coredns", "node-network"]);
    }
}
