//! Volumes whose files come from API objects: gathered, written as one, given to the pod's group.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use api_types::core::v1::{Pod, Volume};
use kubelet_core::downward::DownwardFacts;
use kubelet_core::ports::TmpfsOptions;
use kubelet_core::projection::{self, Objects};

use super::{Access, VolumeError, atomic, blocking, give_to_group, volume_directory};
use crate::context::Context;

/// Makes or refreshes the volume.
pub(super) async fn mount(
    context: &Arc<Context>,
    pod: &Pod,
    volume: &Volume,
    facts: &DownwardFacts,
) -> Result<PathBuf, VolumeError> {
    let source = &volume.volume_source;
    let (plugin, in_memory) = if source.config_map.is_some() {
        ("configmap", false)
    } else if source.secret.is_some() {
        ("secret", true)
    } else if source.downward_api.is_some() {
        ("downward-api", true)
    } else {
        ("projected", true)
    };
    let objects = gather(context, pod, volume).await?;
    let files = projection::files(pod, volume, &objects, facts)?;
    let path = volume_directory(context, &pod.metadata.uid, plugin, &volume.name);
    {
        let path = path.clone();
        blocking(move || fs::create_dir_all(&path).map_err(VolumeError::io("create directory", &path)))
            .await?;
    }
    // What is secret never touches a disk.
    if in_memory && !context.ports.mounts.is_mount_point(&path).await? {
        context.ports.mounts.mount_tmpfs(&path, &TmpfsOptions { size_bytes: None, no_swap: true }).await?;
    }
    let written = {
        let path = path.clone();
        blocking(move || atomic::write(&path, &files)).await?
    };
    if written {
        give_to_group(context, pod, &path, Access::ReadOnly).await?;
    }
    Ok(path)
}

/// Fetches every object the volume refers to.
async fn gather(context: &Context, pod: &Pod, volume: &Volume) -> Result<Objects, VolumeError> {
    let namespace = &pod.metadata.namespace;
    let mut objects = Objects::default();
    let (config_maps, secrets) = projection::references(volume);
    for name in config_maps {
        if let Some(map) = context.objects.config_map(namespace, name).await? {
            objects.config_maps.insert(name.to_owned(), map);
        }
    }
    for name in secrets {
        if let Some(secret) = context.objects.secret(namespace, name).await? {
            objects.secrets.insert(name.to_owned(), secret);
        }
    }
    for need in projection::tokens(volume) {
        let token = context.objects.token(pod, &need).await?;
        objects.tokens.insert(need.path, token.value);
    }
    Ok(objects)
}
