//! `bootstrap-token`: what new nodes need to introduce themselves, and the rights to do so.

use std::collections::BTreeMap;

use api_types::{core::v1::ConfigMap, rbac::v1::PolicyRule};

use crate::{
    cluster::{
        access::ClusterAccess,
        rbac::{self, group, service_account, user},
        tokens,
    },
    constants,
    render::kubeconfig,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "kubeconfig", "skip-token-print", "dry-run"];
const CLUSTER_INFO_ROLE: &str = "kubeadm:bootstrap-signer-clusterinfo";
/// The right of nodes to serving certificates, and its binding.
const SERVING_ROLE: &str = "kubeadm:node-autoapprove-serving-certificate";
const SERVING_APPROVER_BINDING: &str = "kubeadm:kubelet-serving-approver";
const GET_NODES_ROLE: &str = "kubeadm:get-nodes";
/// Bindings of built-in roles: name, role, group, and what they allow.
const BINDINGS: [(&str, &str, &str, &str); 3] = [
    (
        "kubeadm:kubelet-bootstrap",
        "system:node-bootstrapper",
        constants::BOOTSTRAPPERS_GROUP,
        "allow Node Bootstrap tokens to post CSRs in order for nodes to get long term certificate credentials",
    ),
    (
        "kubeadm:node-autoapprove-bootstrap",
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        constants::BOOTSTRAPPERS_GROUP,
        "allow the csrapprover controller automatically approve CSRs from a Node Bootstrap Token",
    ),
    (
        "kubeadm:node-autoapprove-certificate-rotation",
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        constants::NODES_GROUP,
        "allow certificate rotation for all node client certificates in the cluster",
    ),
];

pub fn phase() -> Phase<InitData> {
    Phase::step(
        "bootstrap-token",
        "Generates bootstrap tokens used to join a node to a cluster",
        FLAGS,
        |data| Box::pin(run(data)),
    )
    .with_aliases(&["bootstraptoken"])
}

async fn run(data: &mut InitData) -> anyhow::Result<()> {
    let tokens = data.configuration.init.bootstrap_tokens.clone();
    if !data.skip_token_print {
        println!(
            "[bootstrap-token] Using token: {}",
            tokens.iter().map(|t| t.token.as_str()).collect::<Vec<_>>().join(" ")
        );
    }
    println!("[bootstrap-token] Configuring bootstrap tokens, cluster-info ConfigMap, RBAC Roles");
    let now = data.now;
    let cluster = data.cluster().await?;
    for token in &tokens {
        tokens::store(&cluster, &tokens::to_secret(token, now)?, false).await?;
    }
    println!("[bootstrap-token] Configured RBAC rules to allow Node Bootstrap tokens to get nodes");
    let rule = rbac::may_get("nodes", &[]);
    cluster.create_or_update(&rbac::cluster_role(GET_NODES_ROLE, rule)).await?;
    let bootstrappers = [group(constants::BOOTSTRAPPERS_GROUP)];
    cluster.create_or_update(&rbac::cluster_binding(GET_NODES_ROLE, GET_NODES_ROLE, &bootstrappers)).await?;
    for (name, role, subject, what) in BINDINGS {
        println!("[bootstrap-token] Configured RBAC rules to {what}");
        cluster.create_or_update(&rbac::cluster_binding(name, role, &[group(subject)])).await?;
    }
    approve_serving(&cluster).await?;
    publish_cluster_info(data, &cluster).await
}

/// Nodes may have serving certificates for their own names, and the controller manager may say so. Where another
/// controller manager runs these rights do no harm, and `kubectl certificate approve` does what ours does.
async fn approve_serving(cluster: &ClusterAccess) -> anyhow::Result<()> {
    println!(
        "[bootstrap-token] Configured RBAC rules to allow certificate rotation for all node server certificates in the cluster"
    );
    let rule = PolicyRule {
        verbs: vec!["create".to_owned()],
        api_groups: vec!["certificates.k8s.io".to_owned()],
        resources: vec!["certificatesigningrequests/selfnodeserver".to_owned()],
        ..PolicyRule::default()
    };
    cluster.create_or_update(&rbac::cluster_role(SERVING_ROLE, rule)).await?;
    let nodes = [group(constants::NODES_GROUP)];
    cluster.create_or_update(&rbac::cluster_binding(SERVING_ROLE, SERVING_ROLE, &nodes)).await?;
    let approver = [service_account(constants::KUBE_SYSTEM, "certificate-controller")];
    let role = "system:certificates.k8s.io:kubelet-serving-approver";
    cluster.create_or_update(&rbac::cluster_binding(SERVING_APPROVER_BINDING, role, &approver)).await?;
    Ok(())
}

/// Lets everybody know where the cluster is and which authority it has; tokens prove that it is true.
async fn publish_cluster_info(data: &InitData, cluster: &ClusterAccess) -> anyhow::Result<()> {
    println!(
        "[bootstrap-token] Creating the {:?} ConfigMap in the {:?} namespace",
        constants::CLUSTER_INFO_CONFIG_MAP,
        constants::KUBE_PUBLIC
    );
    let text = data.files.read_text(&data.kubeconfig_path)?;
    let text =
        text.ok_or_else(|| anyhow::anyhow!("the kubeconfig {:?} does not exist", data.kubeconfig_path))?;
    let current = kubeconfig::read(&text)?;
    let map = ConfigMap {
        metadata: rbac::metadata(constants::KUBE_PUBLIC, constants::CLUSTER_INFO_CONFIG_MAP),
        data: BTreeMap::from([(
            "kubeconfig".to_owned(),
            kubeconfig::cluster_info(&current.server, &current.authority_pem),
        )]),
        ..ConfigMap::default()
    };
    cluster.create_or_update(&map).await?;
    let namespace = constants::KUBE_PUBLIC;
    let rule = rbac::may_get("configmaps", &[constants::CLUSTER_INFO_CONFIG_MAP]);
    cluster.create_or_update(&rbac::role(namespace, CLUSTER_INFO_ROLE, rule)).await?;
    let everybody = [user("system:anonymous")];
    cluster.create_or_update(&rbac::binding(namespace, CLUSTER_INFO_ROLE, &everybody)).await?;
    Ok(())
}
