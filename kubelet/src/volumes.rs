//! The volumes of pods on this node: made before containers start, refreshed while they run, removed afterwards.
//!
//! All state is on disk below `<root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>`, in upstream's layout; a kubelet
//! that starts anew finds what its predecessor made.

mod atomic;
mod claims;
mod empty_dir;
mod host_path;
mod projected;
mod removal;
mod subpath;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::core::v1::{Pod, Volume};
use kubelet_core::downward::{DownwardError, DownwardFacts};
use kubelet_core::ports::{MountError, OwnershipChange};
use kubelet_core::projection::{self, ProjectionError};

use crate::context::Context;
use crate::metrics::volumes::{BookedVolumes, MountedClaim};
use crate::objects::ObjectError;

pub use self::removal::{orphans, remove_all, remove_pod_directory};
pub use self::subpath::bind as bind_subpath;

/// Why a volume could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error(transparent)]
    Downward(#[from] DownwardError),
    #[error("{operation} {}: {source}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("hostPath type check failed: {path} is not a {wanted}")]
    HostPathType { path: String, wanted: &'static str },
    #[error("volume type {0} is not supported by this kubelet")]
    Unsupported(String),
    #[error("persistentvolumeclaim {0:?} not found")]
    ClaimNotFound(String),
    #[error("PVC {0} is not bound yet")]
    ClaimNotBound(String),
    #[error("the work on the volume was cut short: {0}")]
    Interrupted(String),
}

impl VolumeError {
    fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> VolumeError {
        let path = path.to_owned();
        move |source| VolumeError::Io { operation, path, source }
    }
}

/// Where a volume is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Empty for an image volume.
    pub path: PathBuf,
    pub readonly: bool,
    /// Reference of the image, for an image volume.
    pub image: String,
    /// The name of its plugin, such as `kubernetes.io/secret`.
    pub plugin: &'static str,
}

/// A volume that is one image.
pub const IMAGE_PLUGIN: &str = "kubernetes.io/image";
/// A file or directory of the host, also through a claim.
const HOST_PATH_PLUGIN: &str = "kubernetes.io/host-path";
/// A directory of the host, through a claim.
const LOCAL_PLUGIN: &str = "kubernetes.io/local-volume";

/// The plugin of a volume that says so itself; `None` for claims.
fn plugin_of(volume: &Volume) -> Option<&'static str> {
    let source = &volume.volume_source;
    let named = [
        (source.empty_dir.is_some(), "kubernetes.io/empty-dir"),
        (source.config_map.is_some(), "kubernetes.io/configmap"),
        (source.secret.is_some(), "kubernetes.io/secret"),
        (source.downward_api.is_some(), "kubernetes.io/downward-api"),
        (source.projected.is_some(), "kubernetes.io/projected"),
        (source.host_path.is_some(), HOST_PATH_PLUGIN),
        (source.image.is_some(), IMAGE_PLUGIN),
    ];
    named.into_iter().find_map(|(is_set, plugin)| is_set.then_some(plugin))
}

/// The claim a volume stands for.
fn claim_of(pod: &Pod, volume: &Volume) -> Option<String> {
    let source = &volume.volume_source;
    match &source.persistent_volume_claim {
        Some(claim) => Some(claim.claim_name.clone()),
        None => source.ephemeral.is_some().then(|| format!("{}-{}", pod.metadata.name, volume.name)),
    }
}

/// What a pod wants, as far as its volumes say which plugin makes them.
fn wanted(pod: &Pod) -> Vec<&'static str> {
    pod.spec.volumes.iter().filter_map(plugin_of).collect()
}

/// The volumes of a pod that are all there, as the metrics count them.
fn booked(pod: &Pod, mounted: &MountedVolumes) -> BookedVolumes {
    let mut booked = BookedVolumes::default();
    for volume in &pod.spec.volumes {
        let place = mounted.get(&volume.name);
        let Some(plugin) = plugin_of(volume).or(place.map(|place| place.plugin)) else { continue };
        booked.desired.push(plugin);
        booked.actual.push(plugin);
        // A directory of the host is no file system of its own: upstream measures none either.
        if let (Some(name), Some(place), LOCAL_PLUGIN) = (claim_of(pod, volume), place, plugin) {
            let namespace = pod.metadata.namespace.clone();
            booked.claims.push(MountedClaim { namespace, name, path: place.path.clone() });
        }
    }
    booked
}

/// The volumes of one pod, by name.
pub type MountedVolumes = BTreeMap<String, Mounted>;

/// `<root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>`.
pub(crate) fn volume_directory(context: &Context, uid: &str, plugin: &str, name: &str) -> PathBuf {
    context.pod_directory(uid).join("volumes").join(format!("kubernetes.io~{plugin}")).join(name)
}

/// Makes and refreshes every volume of a pod. Fails with the name of the first volume that cannot be made; those before
/// it stay. Image volumes are left out: they need a pull.
pub async fn mount_all(
    context: &Arc<Context>,
    pod: &Pod,
    facts: &DownwardFacts,
) -> Result<MountedVolumes, (String, VolumeError)> {
    let uid = &pod.metadata.uid;
    context.metrics.volumes.want(uid, wanted(pod));
    let mut mounted = MountedVolumes::new();
    for volume in &pod.spec.volumes {
        match mount(context, pod, volume, facts).await {
            Ok(Some(place)) => {
                mounted.insert(volume.name.clone(), place);
            }
            Ok(None) => {}
            Err(error) => return Err((volume.name.clone(), error)),
        }
    }
    context.metrics.volumes.have(uid, booked(pod, &mounted));
    Ok(mounted)
}

async fn mount(
    context: &Arc<Context>,
    pod: &Pod,
    volume: &Volume,
    facts: &DownwardFacts,
) -> Result<Option<Mounted>, VolumeError> {
    let source = &volume.volume_source;
    let plugin = plugin_of(volume).unwrap_or_default();
    let writable = |path: PathBuf| Some(Mounted { path, readonly: false, image: String::new(), plugin });
    if projection::is_projection(volume) {
        let path = projected::mount(context, pod, volume, facts).await?;
        return Ok(Some(Mounted { path, readonly: true, image: String::new(), plugin }));
    }
    if let Some(source) = &source.empty_dir {
        return empty_dir::mount(context, pod, &volume.name, source).await.map(writable);
    }
    if let Some(source) = &source.host_path {
        return host_path::check(&source.path, source.type_.as_deref().unwrap_or_default())
            .await
            .map(writable);
    }
    if let Some(claim) = claim_of(pod, volume) {
        let readonly = source.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only);
        return claims::mount(context, pod, &claim, readonly).await.map(Some);
    }
    if source.image.is_some() {
        return Ok(None);
    }
    Err(VolumeError::Unsupported(plugin_name(volume)))
}

/// The field that is set in a volume this kubelet cannot make.
fn plugin_name(volume: &Volume) -> String {
    use machinery::Message;
    match volume.volume_source.to_value() {
        serde_json::Value::Object(fields) => {
            fields.keys().next().cloned().unwrap_or_else(|| "<none>".to_owned())
        }
        _ => "<none>".to_owned(),
    }
}

/// What containers may do with a volume, and its group with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Files the kubelet writes: the group reads them.
    ReadOnly,
    /// Files the containers write: the group writes them too, and `fsGroupChangePolicy` counts.
    ReadWrite,
}

/// Gives a volume to the pod's `fsGroup`.
async fn give_to_group(context: &Context, pod: &Pod, path: &Path, access: Access) -> Result<(), VolumeError> {
    let security = pod.spec.security_context.as_ref();
    let Some(gid) = security.and_then(|security| security.fs_group).and_then(|gid| u32::try_from(gid).ok())
    else {
        return Ok(());
    };
    let policy = security.and_then(|security| security.fs_group_change_policy.as_deref());
    let change = OwnershipChange {
        gid,
        readonly: access == Access::ReadOnly,
        only_on_root_mismatch: access == Access::ReadWrite && policy == Some("OnRootMismatch"),
    };
    Ok(context.ports.mounts.set_group_ownership(path, change).await?)
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VolumeError> + Send + 'static,
) -> Result<T, VolumeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(VolumeError::Interrupted(error.to_string())),
    }
}
