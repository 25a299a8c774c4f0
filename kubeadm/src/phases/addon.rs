//! `addon`: what every cluster starts with: DNS, kube-proxy and the pod network.

use crate::{
    cluster::manifests,
    render::{
        addons::{self, Addon},
        yaml,
    },
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &[
    "config",
    "kubeconfig",
    "kubernetes-version",
    "image-repository",
    "dry-run",
    "print-manifest",
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-bind-port",
    "pod-network-cidr",
    "service-cidr",
    "service-dns-domain",
    "feature-gates",
];

pub fn phase() -> Phase<InitData> {
    let phases = addons::ALL
        .iter()
        .map(|addon| {
            Phase::step(addon.name, addon.description, FLAGS, move |data| Box::pin(install(data, addon)))
        })
        .collect();
    Phase::group("addon", "Install required addons for passing conformance tests", phases)
}

async fn install(data: &mut InitData, addon: &'static Addon) -> anyhow::Result<()> {
    if let Some(reason) = (addon.skipped)(&data.configuration) {
        println!("[addons] Skipping the addon {}: {reason}", addon.title);
        return Ok(());
    }
    let objects = (addon.objects)(&data.configuration)?;
    if data.print_manifest {
        println!("---\n{}", yaml::documents(&objects));
        return Ok(());
    }
    let cluster = data.cluster().await?;
    manifests::apply(&cluster, &objects).await?;
    println!("[addons] Applied essential addon: {}", addon.title);
    Ok(())
}
