//! Claims bound to volumes that live on this host: hostPath and local ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use api_types::core::v1::Pod;
use kubelet_core::ports::BindOptions;
use machinery::Message;

use super::{
    Access, HOST_PATH_PLUGIN, LOCAL_PLUGIN, Mounted, VolumeError, blocking, give_to_group, host_path,
    volume_directory,
};
use crate::context::Context;

/// Makes the volume behind a claim available.
pub(super) async fn mount(
    context: &Arc<Context>,
    pod: &Pod,
    claim: &str,
    readonly: bool,
) -> Result<Mounted, VolumeError> {
    let found = context.objects.claim(&pod.metadata.namespace, claim).await?;
    let (_, volume) = found.ok_or_else(|| VolumeError::ClaimNotFound(claim.to_owned()))?;
    let volume =
        volume.ok_or_else(|| VolumeError::ClaimNotBound(format!("{}/{claim}", pod.metadata.namespace)))?;
    let source = &volume.spec.persistent_volume_source;
    if let Some(source) = &source.host_path {
        let path = host_path::check(&source.path, source.type_.as_deref().unwrap_or_default()).await?;
        return Ok(Mounted { path, readonly, image: String::new(), plugin: HOST_PATH_PLUGIN });
    }
    if let Some(source) = &source.local {
        if volume.spec.volume_mode.as_deref() == Some("Block") {
            return Err(VolumeError::Unsupported("local volume of mode Block".to_owned()));
        }
        let target = volume_directory(context, &pod.metadata.uid, "local-volume", &volume.metadata.name);
        let directory = Path::new(&source.path).to_owned();
        {
            let (target, directory) = (target.clone(), directory.clone());
            blocking(move || {
                fs::metadata(&directory).map_err(VolumeError::io("stat", &directory))?;
                fs::create_dir_all(&target).map_err(VolumeError::io("create directory", &target))
            })
            .await?;
        }
        if !context.ports.mounts.is_mount_point(&target).await? {
            context
                .ports
                .mounts
                .bind(&directory, &target, BindOptions { readonly, recursive: false })
                .await?;
            give_to_group(context, pod, &target, Access::ReadWrite).await?;
        }
        return Ok(Mounted { path: target, readonly, image: String::new(), plugin: LOCAL_PLUGIN });
    }
    let kind = match source.to_value() {
        serde_json::Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    Err(VolumeError::Unsupported(format!("{kind} (of persistent volume {})", volume.metadata.name)))
}
