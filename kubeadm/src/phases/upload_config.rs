//! `upload-config`: the cluster's configuration and the kubelets', where other nodes find them.

use std::collections::BTreeMap;

use api_types::core::v1::ConfigMap;

use super::kubelet_start::kubelet_document;
use crate::{
    cluster::{
        access::ClusterAccess,
        rbac::{self, group},
    },
    config::{Configuration, v1beta4},
    constants,
    render::{addons::config_hash, yaml},
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "cri-socket", "kubeconfig", "dry-run"];
const CLUSTER_CONFIG_ROLE: &str = "kubeadm:nodes-kubeadm-config";
const KUBELET_CONFIG_ROLE: &str = "kubeadm:kubelet-config";

pub fn phase() -> Phase<InitData> {
    let kubeadm =
        Phase::step("kubeadm", "Upload the kubeadm ClusterConfiguration to a ConfigMap", FLAGS, |data| {
            Box::pin(upload_cluster(data))
        });
    let kubelet =
        Phase::step("kubelet", "Upload the kubelet component config to a ConfigMap", FLAGS, |data| {
            Box::pin(upload_kubelet(data))
        });
    Phase::group(
        "upload-config",
        "Upload the kubeadm and kubelet configuration to a ConfigMap",
        vec![kubeadm, kubelet],
    )
    .with_aliases(&["uploadconfig"])
}

/// The text of the ClusterConfiguration as the ConfigMap keeps it.
pub fn cluster_document(configuration: &Configuration) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(&configuration.cluster)?;
    value["apiVersion"] = v1beta4::API_VERSION.into();
    value["kind"] = "ClusterConfiguration".into();
    Ok(yaml::document(&value))
}

async fn upload_cluster(data: &mut InitData) -> anyhow::Result<()> {
    println!(
        "[upload-config] Storing the configuration used in ConfigMap {:?} in the {:?} Namespace",
        constants::KUBEADM_CONFIG_MAP,
        constants::KUBE_SYSTEM
    );
    let text = cluster_document(&data.configuration)?;
    let cluster = data.cluster().await?;
    let map = config_map(constants::KUBEADM_CONFIG_MAP, constants::CLUSTER_CONFIGURATION_KEY, text);
    cluster.create_or_update(&map).await?;
    allow_reading(&cluster, CLUSTER_CONFIG_ROLE, constants::KUBEADM_CONFIG_MAP).await
}

async fn upload_kubelet(data: &mut InitData) -> anyhow::Result<()> {
    println!(
        "[kubelet] Creating a ConfigMap {:?} in namespace {} with the configuration for the kubelets in the cluster",
        constants::KUBELET_CONFIG_MAP,
        constants::KUBE_SYSTEM
    );
    let text = yaml::document(&kubelet_document(&data.configuration));
    let user_supplied = data.configuration.kubelet.user_supplied;
    let cluster = data.cluster().await?;
    let hash = config_hash([text.as_str()]);
    let mut map = config_map(constants::KUBELET_CONFIG_MAP, constants::KUBELET_CONFIG_MAP_KEY, text);
    if !user_supplied {
        map.metadata.annotations.insert(constants::COMPONENT_CONFIG_HASH_ANNOTATION.to_owned(), hash);
    }
    cluster.create_or_update(&map).await?;
    allow_reading(&cluster, KUBELET_CONFIG_ROLE, constants::KUBELET_CONFIG_MAP).await
}

fn config_map(name: &str, key: &str, text: String) -> ConfigMap {
    ConfigMap {
        metadata: rbac::metadata(constants::KUBE_SYSTEM, name),
        data: BTreeMap::from([(key.to_owned(), text)]),
        ..ConfigMap::default()
    }
}

/// Nodes and those who want to become nodes may read a ConfigMap.
async fn allow_reading(cluster: &ClusterAccess, role: &str, map: &str) -> anyhow::Result<()> {
    let namespace = constants::KUBE_SYSTEM;
    cluster.create_or_update(&rbac::role(namespace, role, rbac::may_get("configmaps", &[map]))).await?;
    let readers = [group(constants::BOOTSTRAPPERS_GROUP), group(constants::NODES_GROUP)];
    cluster.create_or_update(&rbac::binding(namespace, role, &readers)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::documents, render::control_plane::tests::configuration};

    #[test]
    fn the_stored_configuration_reads_back() {
        let configuration = configuration();
        let text = cluster_document(&configuration).expect("rendered");
        let read = documents::decode(&text).expect("strictly valid").cluster.expect("given");
        assert_eq!(read, configuration.cluster);
        assert!(text.contains("certificateValidityPeriod: 8760h0m0s\n"), "{text}");
        assert!(text.contains("caCertificateValidityPeriod: 87600h0m0s\n"), "{text}");
    }
}
