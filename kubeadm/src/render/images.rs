//! The names of the images a cluster is made of.

use crate::{config::v1beta4::ClusterConfiguration, constants};

/// An image of a component that carries the cluster's version.
pub fn component(name: &str, cluster: &ClusterConfiguration) -> String {
    let tag = cluster.kubernetes_version.replace('+', "_");
    format!("{}/{name}:{tag}", cluster.image_repository)
}

/// The image of the local etcd.
pub fn etcd(cluster: &ClusterConfiguration) -> String {
    let local = cluster.etcd.local.clone().unwrap_or_default();
    format!(
        "{}/etcd:{}",
        or(&local.image_repository, &cluster.image_repository),
        or(&local.image_tag, constants::ETCD_VERSION)
    )
}

/// The image that keeps a pod's namespaces open.
pub fn pause(cluster: &ClusterConfiguration) -> String {
    format!("{}/pause:{}", cluster.image_repository, constants::PAUSE_VERSION)
}

/// The image of the cluster's DNS server. In the default registry it has a folder of its own, as upstream's.
pub fn dns(cluster: &ClusterConfiguration) -> String {
    let repository = or(&cluster.dns.image_repository, &cluster.image_repository);
    let folder = if repository == constants::DEFAULT_IMAGE_REPOSITORY { "/coredns" } else { "" };
    format!("{repository}{folder}/coredns:{}", or(&cluster.dns.image_tag, constants::COREDNS_VERSION))
}

/// The image of the pod-network agent.
pub fn node_network(cluster: &ClusterConfiguration) -> String {
    component("node-network", cluster)
}

/// All images a control-plane node needs, as `kubeadm config images list` prints them.
pub fn all(cluster: &ClusterConfiguration) -> Vec<String> {
    let mut images: Vec<String> = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
        .iter()
        .map(|name| component(name, cluster))
        .collect();
    if !cluster.proxy.disabled {
        images.push(component("kube-proxy", cluster));
    }
    if !cluster.dns.disabled {
        images.push(dns(cluster));
    }
    images.push(pause(cluster));
    if cluster.etcd.local.is_some() {
        images.push(etcd(cluster));
    }
    images.push(node_network(cluster));
    images
}

fn or<'a>(given: &'a str, default: &'a str) -> &'a str {
    if given.is_empty() { default } else { given }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{defaults, version};

    #[test]
    fn names_are_upstreams() {
        let mut cluster = ClusterConfiguration::default();
        defaults::cluster(&mut cluster);
        version::normalize(&mut cluster).expect("the default version");
        assert_eq!(
            all(&cluster).join("\n"),
            "registry.k8s.io/kube-apiserver:v1.36.0\n\
             registry.k8s.io/kube-controller-manager:v1.36.0\n\
             registry.k8s.io/kube-scheduler:v1.36.0\n\
             registry.k8s.io/kube-proxy:v1.36.0\n\
             registry.k8s.io/coredns/coredns:v1.14.2\n\
             registry.k8s.io/pause:3.10.2\n\
             registry.k8s.io/etcd:3.6.8-0\n\
             registry.k8s.io/node-network:v1.36.0"
        );
        cluster.image_repository = "mirror.example/k8s".to_owned();
        assert_eq!(dns(&cluster), "mirror.example/k8s/coredns:v1.14.2");
    }
}
