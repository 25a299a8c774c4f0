//! `preflight`: every problem of the host at once, then the images.

use crate::{
    preflight::{self, checks, facts, images::Wanted},
    render::images,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] =
    &["config", "image-repository", "cri-socket", "ignore-preflight-errors", "dry-run", "node-name"];

pub fn phase() -> Phase<InitData> {
    Phase::step("preflight", "Run pre-flight checks", FLAGS, |data| Box::pin(run(data)))
        .with_aliases(&["pre-flight"])
}

async fn run(data: &mut InitData) -> anyhow::Result<()> {
    println!("[preflight] Running pre-flight checks");
    let configuration = &data.configuration;
    let facts = facts::gather(&checks::init_questions(configuration)).await;
    preflight::print(&checks::init(&facts, configuration), &data.ignored_checks)?;
    let wanted_images = images::all(&configuration.cluster);
    if data.is_dry_run() {
        println!("[preflight] Would pull the required images (like 'kubeadm config images pull')");
        return Ok(());
    }
    println!("[preflight] Pulling images required for setting up a Kubernetes cluster");
    println!(
        "[preflight] This might take a minute or two, depending on the speed of your internet connection"
    );
    println!("[preflight] You can also perform this action beforehand using 'kubeadm config images pull'");
    let node = &configuration.init.node_registration;
    let wanted = Wanted {
        socket: &node.cri_socket,
        images: &wanted_images,
        policy: &node.image_pull_policy,
        serial: node.image_pull_serial.unwrap_or(true),
    };
    preflight::print(&preflight::images::ensure(&wanted).await, &data.ignored_checks)?;
    Ok(())
}
