//! `kubelet-finalize`: from the first certificate to the one the kubelet renews itself.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{
    config::validation::argument,
    constants,
    host::init_system,
    render::kubeconfig::{self, Credential},
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["config", "cert-dir", "dry-run"];

pub fn phase() -> Phase<InitData> {
    let rotation = Phase::step(
        "enable-client-cert-rotation",
        "Enable kubelet client certificate rotation",
        FLAGS,
        |data| Box::pin(async move { run(data) }),
    );
    Phase::group(
        "kubelet-finalize",
        "Updates settings relevant to the kubelet after TLS bootstrap",
        vec![rotation],
    )
}

fn run(data: &mut InitData) -> anyhow::Result<()> {
    let extra = &data.configuration.init.node_registration.kubelet_extra_args;
    let folder = argument(extra, "cert-dir")
        .map_or_else(|| Path::new(constants::KUBELET_DIR).join("pki"), PathBuf::from);
    let pem = folder.join("kubelet-client-current.pem");
    // Without this file the kubelet does not renew its certificate.
    if !pem.exists() {
        return Ok(());
    }
    let path = constants::kubeconfig_path(constants::KUBELET_KUBECONFIG);
    println!(
        "[kubelet-finalize] Updating {path:?} to point to a rotatable kubelet client certificate and key"
    );
    if data.is_dry_run() {
        return Ok(());
    }
    let text = data.files.read_text(&path)?.with_context(|| format!("could not load {path:?}"))?;
    let current =
        kubeconfig::read(&text).with_context(|| format!("the file {path:?} is not a valid kubeconfig"))?;
    let credential = Credential::CombinedFile(pem.to_string_lossy().into_owned());
    let updated = kubeconfig::render(
        &current.server,
        &current.cluster_name,
        &current.user_name,
        &current.authority_pem,
        &credential,
    );
    if updated == text {
        return Ok(());
    }
    data.files.write(&path, updated.as_bytes(), 0o600)?;
    init_system::try_start_kubelet();
    Ok(())
}
