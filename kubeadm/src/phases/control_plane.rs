//! `control-plane`: the static pods of the API server, the controller manager and the scheduler.

use std::path::Path;

use super::patches::Patches;
use crate::{
    constants,
    pki::{specs, store},
    render::{
        control_plane::{COMPONENTS, HostView, Renderer},
        encryption, static_pod,
    },
    workflows::{init_data::InitData, phase::Phase},
};

const API_SERVER_FLAGS: &[&str] = &[
    "config",
    "cert-dir",
    "kubernetes-version",
    "image-repository",
    "patches",
    "dry-run",
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-bind-port",
    "apiserver-extra-args",
    "feature-gates",
    "service-cidr",
];
const CONTROLLER_MANAGER_FLAGS: &[&str] = &[
    "config",
    "cert-dir",
    "kubernetes-version",
    "image-repository",
    "patches",
    "dry-run",
    "controller-manager-extra-args",
    "pod-network-cidr",
    "service-cidr",
];
const SCHEDULER_FLAGS: &[&str] = &[
    "config",
    "cert-dir",
    "kubernetes-version",
    "image-repository",
    "patches",
    "dry-run",
    "scheduler-extra-args",
];
/// Names, texts and flags of the sub-phases, in the order of [`COMPONENTS`].
const SUB_PHASES: [(&str, &str, &[&str]); 3] = [
    ("apiserver", "Generates the kube-apiserver static Pod manifest", API_SERVER_FLAGS),
    (
        "controller-manager",
        "Generates the kube-controller-manager static Pod manifest",
        CONTROLLER_MANAGER_FLAGS,
    ),
    ("scheduler", "Generates the kube-scheduler static Pod manifest", SCHEDULER_FLAGS),
];

pub fn phase() -> Phase<InitData> {
    let phases = SUB_PHASES
        .into_iter()
        .zip(COMPONENTS)
        .map(|((name, short, flags), (component, renderer))| {
            Phase::step(name, short, flags, move |data| {
                Box::pin(async move { write(data, component, renderer) })
            })
        })
        .collect();
    Phase::group(
        "control-plane",
        "Generate all static Pod manifest files necessary to establish the control plane",
        phases,
    )
}

fn write(data: &mut InitData, component: &str, renderer: Renderer) -> anyhow::Result<()> {
    if component == constants::API_SERVER {
        println!("[control-plane] Using manifest folder {:?}", constants::MANIFESTS_DIR);
        ensure_encryption_config(data)?;
    }
    // A cluster that an earlier release made has no such certificate yet.
    if let Some(spec) = specs::find(component).filter(|spec| spec.optional && !data.external_authority) {
        store::ensure(&mut data.files, &data.configuration, spec, data.now)?;
    }
    println!("[control-plane] Creating static Pod manifest for {component:?}");
    let pod = renderer(&data.configuration, &HostView::of_host(data.external_authority));
    let pod = Patches::load(data.patches_dir.as_deref())?.static_pod(pod)?;
    let path = Path::new(constants::MANIFESTS_DIR).join(format!("{component}.yaml"));
    data.files.write(&path, static_pod::manifest(&pod).as_bytes(), 0o600)?;
    Ok(())
}

/// An existing key is kept: what is encrypted with it must stay readable.
fn ensure_encryption_config(data: &mut InitData) -> anyhow::Result<()> {
    let Some(path) = encryption::own_file(&data.configuration) else { return Ok(()) };
    if data.files.exists(&path) {
        println!("[control-plane] Using existing encryption configuration {path:?}");
        return Ok(());
    }
    println!("[control-plane] Generating encryption configuration for Secrets in {path:?}");
    data.files.write(&path, encryption::generate()?.as_bytes(), 0o600)?;
    Ok(())
}
