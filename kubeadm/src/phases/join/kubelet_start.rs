//! `kubelet-start` of `join`: the cluster's kubelet configuration and a token to introduce oneself with.

use std::path::Path;

use anyhow::Context as _;
use api_types::core::v1::{ConfigMap, Node};
use client::{
    Client, Config,
    config::{Credentials, Source},
};
use machinery::codec::yaml;
use serde_json::Value;

use super::DISCOVERY_FLAGS;
use crate::{
    cluster::discovery::Found,
    constants,
    host::init_system,
    phases::{
        kubelet_start::{write_config, write_environment, write_instance_config},
        patches::Patches,
    },
    render::kubeconfig::{self, Credential},
    workflows::{join_data::JoinData, phase::Phase},
};

/// The user that a bootstrap token stands for in the kubeconfig file.
const BOOTSTRAP_USER: &str = "tls-bootstrap-token-user";

pub fn phase() -> Phase<JoinData> {
    Phase::step(
        "kubelet-start",
        "Write kubelet settings, certificates and (re)start the kubelet",
        DISCOVERY_FLAGS,
        |data| Box::pin(run(data)),
    )
}

async fn run(data: &mut JoinData) -> anyhow::Result<()> {
    let found = data.cluster().await?;
    let token = data.configuration.discovery.tls_bootstrap_token.clone();
    let client = bootstrap_client(&found, &token)?;
    let node = data.configuration.node_registration.clone();
    refuse_ready_twin(&client, &node.name).await?;
    println!(
        "[preflight] Reading configuration from the {:?} ConfigMap in namespace {:?}...",
        constants::KUBELET_CONFIG_MAP,
        constants::KUBE_SYSTEM
    );
    let document = kubelet_configuration(&client).await?;

    let path = constants::kubeconfig_path(constants::KUBELET_BOOTSTRAP_KUBECONFIG);
    let text = kubeconfig::render(
        &found.server,
        "kubernetes",
        BOOTSTRAP_USER,
        &found.authority_pem,
        &Credential::Token(token),
    );
    data.files.write(&path, text.as_bytes(), 0o600)?;
    let authority = Path::new(&data.configuration.ca_cert_path).to_owned();
    if !data.files.exists(&authority) {
        data.files.write(&authority, found.authority_pem.as_bytes(), 0o644)?;
    }
    if data.is_dry_run() {
        println!("[kubelet-start] Would stop the kubelet");
    } else {
        init_system::try_stop_kubelet();
    }
    write_instance_config(&mut data.files, &node)?;
    let patches = Patches::load(data.patches_dir.as_deref())?;
    write_config(&mut data.files, &document, &node, &patches)?;
    write_environment(&mut data.files, &node, true)?;
    if data.is_dry_run() {
        print!("{}", data.files.describe());
        println!("[kubelet-start] Would start the kubelet");
        return Ok(());
    }
    println!("[kubelet-start] Starting the kubelet");
    init_system::try_start_kubelet();
    Ok(())
}

fn bootstrap_client(found: &Found, token: &str) -> anyhow::Result<Client> {
    let authority = Source::Inline(found.authority_pem.as_bytes().to_vec());
    let mut config = Config::from_parts(&found.server, authority, None)?;
    config.credentials = Credentials::Token(token.to_owned());
    config.timeout = Some(std::time::Duration::from_secs(30));
    Client::new(config).context("could not create client from bootstrap kubeconfig")
}

/// A second node of the name of one that works would take its place.
async fn refuse_ready_twin(client: &Client, name: &str) -> anyhow::Result<()> {
    let node = match client.all::<Node>().get(name).await {
        Ok(node) => node,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(anyhow::Error::from(error).context(format!("cannot get Node {name:?}"))),
    };
    let ready = node
        .status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    anyhow::ensure!(
        !ready,
        "a Node with name {name:?} and status \"Ready\" already exists in the cluster. You must delete the existing Node or change the name of this new joining Node"
    );
    Ok(())
}

async fn kubelet_configuration(client: &Client) -> anyhow::Result<Value> {
    let maps = client.namespaced::<ConfigMap>(constants::KUBE_SYSTEM);
    let map = maps.get(constants::KUBELET_CONFIG_MAP).await.with_context(|| {
        format!(
            "could not download the kubelet configuration from ConfigMap {:?}",
            constants::KUBELET_CONFIG_MAP
        )
    })?;
    let text =
        map.data.get(constants::KUBELET_CONFIG_MAP_KEY).context("the ConfigMap has no key \"kubelet\"")?;
    yaml::from_str(text).context("the ConfigMap holds no kubelet configuration")
}
