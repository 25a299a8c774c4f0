//! `preflight` of `join`: the host's problems at once, then the images that the installer brought.

use super::DISCOVERY_FLAGS;
use crate::{
    config::{defaults, v1beta4::ClusterConfiguration, version},
    preflight::{self, checks, facts, images::Wanted},
    render::images,
    workflows::{join_data::JoinData, phase::Phase},
};

pub fn phase() -> Phase<JoinData> {
    Phase::step("preflight", "Run join pre-flight checks", DISCOVERY_FLAGS, |data| Box::pin(run(data)))
}

async fn run(data: &mut JoinData) -> anyhow::Result<()> {
    println!("[preflight] Running pre-flight checks");
    let join = &data.configuration;
    let facts = facts::gather(&checks::join_questions(join)).await;
    preflight::print(&checks::join(&facts, join), &data.ignored_checks)?;
    if data.is_dry_run() {
        return Ok(());
    }
    // What the kubelet will need first. Images that no archive has are pulled by the kubelet when a pod wants
    // them, from where the cluster's manifests say.
    let mut cluster = ClusterConfiguration::default();
    defaults::cluster(&mut cluster);
    version::normalize(&mut cluster)?;
    let wanted_images = [
        images::pause(&cluster),
        images::component("kube-proxy", &cluster),
        images::node_network(&cluster),
        images::dns(&cluster),
    ];
    let node = &join.node_registration;
    let wanted = Wanted {
        socket: &node.cri_socket,
        images: &wanted_images,
        policy: &node.image_pull_policy,
        serial: true,
    };
    preflight::print(&preflight::images::import_only(&wanted).await, &data.ignored_checks)?;
    Ok(())
}
