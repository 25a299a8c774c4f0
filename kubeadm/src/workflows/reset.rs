//! `kubeadm reset`: undoes what `init` or `join` did to this host.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use api_types::core::v1::{ConfigMap, Pod};
use clap::{ArgMatches, Command};
use machinery::{Message as _, codec::yaml};

use super::{
    flags::{self, check_mixed, is_given, list_value, switch_value, text_value},
    phase::{self, Phase},
};
use crate::{
    cluster::access::client_from,
    config::{
        self, documents, host_facts,
        v1beta4::{ClusterConfiguration, ResetConfiguration},
        validation::ignored_checks,
    },
    constants,
    host::{container_runtime::ContainerRuntime, init_system, mounts, network},
    preflight::{self, Finding},
};

const FLAGS: &[&str] = &[
    "cert-dir",
    "cleanup-tmp-dir",
    "config",
    "cri-socket",
    "dry-run",
    "force",
    "ignore-preflight-errors",
    "kubeconfig",
    "skip-phases",
];
/// How long to ask a cluster that may be gone.
const FETCH_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What the phases of `reset` share.
struct ResetData {
    configuration: ResetConfiguration,
    /// The cluster's configuration as far as the cluster still answers.
    cluster: Option<ClusterConfiguration>,
    certificates_dir: PathBuf,
    cri_socket: String,
    ignored_checks: Vec<String>,
}

pub fn command() -> Command {
    let command = Command::new("reset")
        .about(
            "Performs a best effort revert of changes made to this host by 'kubeadm init' or 'kubeadm join'",
        )
        .subcommand(phase::command("reset", &phases()));
    flags::add(command, FLAGS)
}

fn phases() -> Vec<Phase<ResetData>> {
    vec![
        Phase::step(
            "preflight",
            "Run reset pre-flight checks",
            &["ignore-preflight-errors", "force", "dry-run"],
            |data| Box::pin(async move { check(data) }),
        )
        .with_aliases(&["pre-flight"]),
        Phase::step(
            "remove-etcd-member",
            "Remove a local etcd member.",
            &["kubeconfig", "dry-run"],
            |data| Box::pin(async move { remove_etcd_member(data) }),
        ),
        Phase::step(
            "cleanup-node",
            "Run cleanup node.",
            &["cert-dir", "cri-socket", "cleanup-tmp-dir", "dry-run"],
            |data| Box::pin(clean_node(data)),
        )
        .with_aliases(&["cleanupnode"]),
    ]
}

pub async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let phases = phases();
    if let Some(("phase", inner)) = matches.subcommand() {
        let (selected, flags) = phase::selected(&phases, inner);
        let mut data = data_from(flags).await?;
        return phase::run_all(selected, &[], &mut data).await;
    }
    let mut data = data_from(matches).await?;
    let mut wanted = list_value(matches, "skip-phases");
    if wanted.is_empty() {
        wanted.clone_from(&data.configuration.skip_phases);
    }
    let skipped = phase::check_skipped(&phases, &wanted)?;
    phase::run_all(&phases, &skipped, &mut data).await?;
    print!("{LAST_WORDS}");
    Ok(())
}

const LAST_WORDS: &str = "
The reset process removes the network of kubeadm's own add-ons. It does not remove the configuration of other
CNI plugins, network filtering rules of others, and kubeconfig files such as $HOME/.kube/config.

For information on how to perform this cleanup manually, please see:
    https://k8s.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/

";

async fn data_from(matches: &ArgMatches) -> anyhow::Result<ResetData> {
    check_mixed(matches)?;
    let mut configuration = match text_value(matches, "config") {
        Some(path) => config::read_file(Path::new(&path))?.reset.unwrap_or_default(),
        None => ResetConfiguration::default(),
    };
    configuration.dry_run |= switch_value(matches, "dry-run");
    configuration.force |= switch_value(matches, "force");
    configuration.cleanup_tmp_dir |= switch_value(matches, "cleanup-tmp-dir");
    let kubeconfig = text_value(matches, "kubeconfig")
        .map_or_else(|| constants::kubeconfig_path(constants::ADMIN_KUBECONFIG), PathBuf::from);
    let cluster = stored_configuration(&kubeconfig).await;
    let certificates_dir = if is_given(matches, "cert-dir") {
        text_value(matches, "cert-dir").unwrap_or_default()
    } else if !configuration.certificates_dir.is_empty() {
        configuration.certificates_dir.clone()
    } else {
        cluster.as_ref().map(|cluster| cluster.certificates_dir.clone()).unwrap_or_default()
    };
    let configuration = config::complete_reset(configuration);
    let certificates_dir =
        if certificates_dir.is_empty() { configuration.certificates_dir.clone() } else { certificates_dir };
    let given = text_value(matches, "cri-socket").unwrap_or_else(|| configuration.cri_socket.clone());
    let ignored = ignored_checks(
        &list_value(matches, "ignore-preflight-errors"),
        &configuration.ignore_preflight_errors,
    )?;
    Ok(ResetData {
        cri_socket: host_facts::complete_socket(&given, true)?,
        certificates_dir: PathBuf::from(certificates_dir),
        cluster,
        ignored_checks: ignored,
        configuration,
    })
}

/// The ClusterConfiguration the cluster keeps, if it can still be asked.
async fn stored_configuration(kubeconfig: &Path) -> Option<ClusterConfiguration> {
    if !kubeconfig.exists() {
        return None;
    }
    let client = client_from(kubeconfig).ok()?;
    let maps = client.namespaced::<ConfigMap>(constants::KUBE_SYSTEM);
    match tokio::time::timeout(FETCH_LIMIT, maps.get(constants::KUBEADM_CONFIG_MAP)).await {
        Ok(Ok(map)) => documents::decode(map.data.get(constants::CLUSTER_CONFIGURATION_KEY)?).ok()?.cluster,
        Ok(Err(error)) => {
            tracing::warn!("[reset] Unable to fetch the kubeadm-config ConfigMap from cluster: {error}");
            None
        }
        Err(_) => {
            tracing::warn!("[reset] Unable to fetch the kubeadm-config ConfigMap from cluster: no answer");
            None
        }
    }
}

fn check(data: &ResetData) -> anyhow::Result<()> {
    let configuration = &data.configuration;
    if !configuration.force && !configuration.dry_run {
        tracing::warn!(
            "[reset] WARNING: Changes made to this host by 'kubeadm init' or 'kubeadm join' will be reverted."
        );
        print!("[reset] Are you sure you want to proceed? [y/N]: ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
        anyhow::ensure!(yes, "won't proceed; the user didn't answer (Y|y) in order to continue");
    }
    println!("[preflight] Running pre-flight checks");
    let findings = if nix::unistd::geteuid().is_root() {
        Vec::new()
    } else {
        vec![Finding::error("IsPrivilegedUser", "user is not running as root; run this command with sudo")]
    };
    preflight::print(&findings, &data.ignored_checks)?;
    Ok(())
}

fn remove_etcd_member(data: &ResetData) -> anyhow::Result<()> {
    let Some(folder) = etcd_data_dir(data) else {
        println!("[reset] No etcd config found. Assuming external etcd");
        println!("[reset] Please, manually reset etcd to prevent further issues");
        return Ok(());
    };
    if data.configuration.dry_run {
        println!("[dryrun] Would delete contents of the etcd data directory: {}", folder.display());
        return Ok(());
    }
    // The store of a single member goes with its pod, which must not run any more when its files go.
    stop_kubelet();
    let manifest = Path::new(constants::MANIFESTS_DIR).join("etcd.yaml");
    if let Err(error) = std::fs::remove_file(&manifest)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("[reset] Failed to remove {manifest:?}: {error}");
    }
    empty(&folder);
    println!("[reset] Deleted contents of the etcd data directory: {}", folder.display());
    Ok(())
}

/// Where the local etcd keeps its data, by the cluster's word, by the manifest, or by default.
fn etcd_data_dir(data: &ResetData) -> Option<PathBuf> {
    if let Some(cluster) = &data.cluster {
        return cluster.etcd.local.as_ref().map(|local| PathBuf::from(&local.data_dir));
    }
    let manifest = Path::new(constants::MANIFESTS_DIR).join("etcd.yaml");
    let Ok(text) = std::fs::read_to_string(manifest) else {
        return Some(PathBuf::from(constants::DEFAULT_ETCD_DATA_DIR));
    };
    let pod = Pod::from_value(&yaml::from_str(&text).ok()?).ok()?;
    let volume = pod.spec.volumes.iter().find(|volume| volume.name == "etcd-data")?;
    volume.volume_source.host_path.as_ref().map(|host| PathBuf::from(&host.path))
}

async fn clean_node(data: &ResetData) -> anyhow::Result<()> {
    let dry_run = data.configuration.dry_run;
    if dry_run {
        println!("[dryrun] Would stop the kubelet service");
        println!("[dryrun] Would unmount mounted directories in {:?}", constants::KUBELET_DIR);
        println!("[dryrun] Would remove Kubernetes-managed containers");
    } else {
        println!("[reset] Stopping the kubelet service");
        stop_kubelet();
        // Containers first: their mounts hold the volumes below the kubelet's folder.
        if let Err(error) = remove_pods(&data.cri_socket).await {
            tracing::warn!(
                "[reset] Failed to remove containers: {}",
                component_base::run::error_chain(&error)
            );
        }
        println!("[reset] Unmounting mounted directories in {:?}", constants::KUBELET_DIR);
        let folder = std::fs::canonicalize(constants::KUBELET_DIR);
        if let Ok(folder) = folder {
            mounts::unmount_below(&folder, mounts::flags(&data.configuration.unmount_flags)?)?;
        }
    }
    clean_folders(data);
    clean_network(dry_run);
    Ok(())
}

fn stop_kubelet() {
    match init_system::detect() {
        Ok(init) if init.is_active("kubelet") => {
            if let Err(error) = init.stop("kubelet") {
                tracing::warn!("[reset] The kubelet service could not be stopped by kubeadm: [{error}]");
                tracing::warn!("[reset] Please ensure kubelet is stopped manually");
            }
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!("[reset] The kubelet service could not be stopped by kubeadm: {error}");
            tracing::warn!("[reset] Please ensure kubelet is stopped manually");
        }
    }
}

async fn remove_pods(socket: &str) -> Result<(), crate::host::container_runtime::RuntimeError> {
    let runtime = ContainerRuntime::connect(socket).await?;
    let pods = runtime.list_pods().await?;
    runtime.remove_pods(&pods).await
}

fn clean_folders(data: &ResetData) {
    let mut folders = vec![
        PathBuf::from(constants::MANIFESTS_DIR),
        PathBuf::from(constants::KUBELET_DIR),
        data.certificates_dir.clone(),
    ];
    if data.configuration.cleanup_tmp_dir {
        folders.push(PathBuf::from(constants::TEMPORARY_DIR));
    }
    let files: Vec<PathBuf> = [
        constants::ADMIN_KUBECONFIG,
        constants::SUPER_ADMIN_KUBECONFIG,
        constants::KUBELET_KUBECONFIG,
        constants::KUBELET_BOOTSTRAP_KUBECONFIG,
        constants::CONTROLLER_MANAGER_KUBECONFIG,
        constants::SCHEDULER_KUBECONFIG,
    ]
    .into_iter()
    .map(constants::kubeconfig_path)
    .collect();
    let text =
        |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
    if data.configuration.dry_run {
        println!("[dryrun] Would delete contents of directories: [{}]", text(&folders));
        println!("[dryrun] Would delete files: [{}]", text(&files));
        return;
    }
    println!("[reset] Deleting contents of directories: [{}]", text(&folders));
    folders.iter().for_each(|folder| empty(folder));
    println!("[reset] Deleting files: [{}]", text(&files));
    for file in files {
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("[reset] Failed to remove file: {file:?} [{error}]");
        }
    }
}

fn clean_network(dry_run: bool) {
    for remnant in network::remnants() {
        if dry_run {
            println!("[dryrun] Would remove {remnant}");
        } else {
            println!("[reset] Removing {remnant}");
            if let Err(error) = network::remove(&remnant) {
                tracing::warn!("[reset] Failed to remove {remnant}: {error}");
            }
        }
    }
}

/// Removes everything in a folder, but not the folder.
fn empty(folder: &Path) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::warn!("[reset] Failed to delete contents of {folder:?} directory: {error}");
            return;
        }
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let outcome = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        if let Err(error) = outcome {
            tracing::warn!("[reset] Failed to delete {path:?}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
        assert_eq!(phase::names(&phases()), ["preflight", "remove-etcd-member", "cleanup-node"]);
    }

    #[test]
    fn a_folder_is_emptied_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("a/b")).expect("made");
        std::fs::write(folder.path().join("a/b/c"), "x").expect("written");
        std::fs::write(folder.path().join("d"), "x").expect("written");
        empty(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).expect("still there").count(), 0);
        empty(&folder.path().join("none"));
    }
}
