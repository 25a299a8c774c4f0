//! `etcd`: the static pod of the local etcd.

use std::path::Path;

use super::patches::Patches;
use crate::{
    constants,
    render::{etcd, static_pod},
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] = &["cert-dir", "config", "image-repository", "patches", "dry-run", "node-name"];
/// What etcd wants of its folder.
const DATA_DIR_MODE: u32 = 0o700;

pub fn phase() -> Phase<InitData> {
    let local = Phase::step(
        "local",
        "Generate the static Pod manifest file for a local, single-node local etcd instance",
        FLAGS,
        |data| Box::pin(async move { run(data) }),
    );
    Phase::group("etcd", "Generate static Pod manifest file for local etcd", vec![local])
}

fn run(data: &mut InitData) -> anyhow::Result<()> {
    let Some(local) = data.configuration.cluster.etcd.local.clone() else {
        println!("[etcd] Skipping etcd static Pod manifest generation as an external etcd is used");
        return Ok(());
    };
    if data.is_dry_run() {
        println!("[etcd] Would ensure that {:?} directory is present", local.data_dir);
    } else {
        make_data_dir(Path::new(&local.data_dir))?;
    }
    println!("[etcd] Creating static Pod manifest for local etcd in {:?}", constants::MANIFESTS_DIR);
    let pod = etcd::etcd(&data.configuration, &local, &[]);
    let pod = Patches::load(data.patches_dir.as_deref())?.static_pod(pod)?;
    let path = Path::new(constants::MANIFESTS_DIR).join("etcd.yaml");
    data.files.write(&path, static_pod::manifest(&pod).as_bytes(), 0o600)?;
    Ok(())
}

fn make_data_dir(folder: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create etcd directory {folder:?}"))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(DATA_DIR_MODE))
        .with_context(|| format!("failed to set the permissions of {folder:?}"))
}
