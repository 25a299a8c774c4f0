//! What is mounted into a container: volumes, the hosts file, the termination log.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use api_types::core::v1::{Container, Pod};
use kubelet_core::expansion::expand;
use kubelet_core::hosts_file;
use kubelet_core::ports::{Mount, MountPropagation};

use crate::context::Context;
use crate::volumes::{self, MountedVolumes};

/// Why a container's mounts cannot be made; the text of its `CreateContainerConfigError`.
#[derive(Debug, thiserror::Error)]
pub(super) enum MountsError {
    #[error("cannot find volume {volume:?} to mount into container {container:?}")]
    VolumeMissing { volume: String, container: String },
    #[error("error SubPath `{0}` must not be an absolute path")]
    AbsoluteSubPath(String),
    #[error("unable to provision SubPath `{0}`: must not contain '..'")]
    SubPathBacksteps(String),
    #[error("failed to prepare subPath for volumeMount {mount:?} of container {container:?}")]
    SubPath { mount: String, container: String },
    #[error("missing value for {0:?}")]
    SubPathExpression(String),
    #[error("failed to resolve recursive read-only mode: {0}")]
    RecursiveReadOnly(&'static str),
    #[error("{0}")]
    File(String),
}

/// What the mounts depend on beyond the pod.
pub(super) struct MountFacts<'a> {
    pub volumes: &'a MountedVolumes,
    pub environment: &'a [(String, String)],
    pub pod_ips: &'a [String],
    pub host_name: &'a str,
    pub host_domain: &'a str,
    pub recursive_readonly: bool,
    pub restart_count: i32,
}

/// All mounts of a container.
pub(super) async fn all(
    context: &Context,
    pod: &Pod,
    container: &Container,
    facts: &MountFacts<'_>,
) -> Result<Vec<Mount>, MountsError> {
    let mut mounts = Vec::new();
    for (place, mount) in container.volume_mounts.iter().enumerate() {
        let missing =
            || MountsError::VolumeMissing { volume: mount.name.clone(), container: container.name.clone() };
        let volume = facts.volumes.get(&mount.name).ok_or_else(missing)?;
        let sub_path = sub_path(mount.sub_path.as_str(), mount.sub_path_expr.as_str(), facts)?;
        let recursive_readonly = match (mount.recursive_read_only.as_deref(), mount.read_only) {
            (Some("Enabled"), false) => {
                return Err(MountsError::RecursiveReadOnly("the mount is not read-only"));
            }
            (Some("Enabled"), true) if !facts.recursive_readonly => {
                return Err(MountsError::RecursiveReadOnly(
                    "the volume mount's recursiveReadOnly is Enabled, which the runtime does not support",
                ));
            }
            (Some("Enabled"), true) => true,
            (Some("IfPossible"), true) => facts.recursive_readonly,
            _ => false,
        };
        let mut result = Mount {
            container_path: absolute(&mount.mount_path),
            readonly: mount.read_only || volume.readonly,
            recursive_readonly,
            propagation: match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => MountPropagation::HostToContainer,
                Some("Bidirectional") => MountPropagation::Bidirectional,
                _ => MountPropagation::Private,
            },
            ..Mount::default()
        };
        if !volume.image.is_empty() {
            result.image.clone_from(&volume.image);
            result.image_sub_path = sub_path;
        } else if sub_path.is_empty() {
            result.host_path = volume.path.display().to_string();
        } else {
            let bound = volumes::bind_subpath(
                context,
                pod,
                &container.name,
                place,
                &mount.name,
                &volume.path,
                &sub_path,
            );
            let path = bound.await.map_err(|error| {
                // What is wrong may tell about the host: for the log only.
                tracing::warn!(%error, pod = %pod.metadata.name, volume = %mount.name, "sub-path not bound");
                MountsError::SubPath { mount: mount.name.clone(), container: container.name.clone() }
            })?;
            result.host_path = path.display().to_string();
        }
        mounts.push(result);
    }
    let has_hosts = container.volume_mounts.iter().any(|mount| mount.mount_path == "/etc/hosts");
    if !has_hosts && (pod.spec.host_network || !facts.pod_ips.is_empty()) {
        mounts.push(hosts_mount(context, pod, facts).await?);
    }
    if !container.termination_message_path.is_empty() {
        mounts.push(termination_mount(context, pod, container, facts.restart_count).await?);
    }
    Ok(mounts)
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn sub_path(plain: &str, expression: &str, facts: &MountFacts<'_>) -> Result<String, MountsError> {
    let path = if expression.is_empty() {
        plain.to_owned()
    } else {
        let missing = std::cell::RefCell::new(None);
        let expanded = expand(expression, |name| {
            let value = facts
                .environment
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone());
            if value.is_none() {
                missing.replace(Some(name.to_owned()));
            }
            value
        });
        if let Some(name) = missing.into_inner() {
            return Err(MountsError::SubPathExpression(name));
        }
        expanded
    };
    if path.starts_with('/') {
        return Err(MountsError::AbsoluteSubPath(path));
    }
    if path.split('/').any(|step| step == "..") {
        return Err(MountsError::SubPathBacksteps(path));
    }
    Ok(path)
}

async fn hosts_mount(context: &Context, pod: &Pod, facts: &MountFacts<'_>) -> Result<Mount, MountsError> {
    let text = if pod.spec.host_network {
        let own = tokio::fs::read_to_string("/etc/hosts").await;
        let own = own.map_err(|error| MountsError::File(format!("failed to read /etc/hosts: {error}")))?;
        hosts_file::of_host(&own, &pod.spec.host_aliases)
    } else {
        hosts_file::managed(facts.pod_ips, facts.host_name, facts.host_domain, &pod.spec.host_aliases)
    };
    let path = context.pod_directory(&pod.metadata.uid).join("etc-hosts");
    write(&path, text.as_bytes(), 0o644).await?;
    Ok(Mount {
        container_path: "/etc/hosts".to_owned(),
        host_path: path.display().to_string(),
        ..Mount::default()
    })
}

/// A file of its own for each start of a container, so that an old message is never taken for a new one.
async fn termination_mount(
    context: &Context,
    pod: &Pod,
    container: &Container,
    restart_count: i32,
) -> Result<Mount, MountsError> {
    let directory = context.pod_directory(&pod.metadata.uid).join("containers").join(&container.name);
    let made = tokio::fs::create_dir_all(&directory).await;
    made.map_err(|error| MountsError::File(format!("failed to create {}: {error}", directory.display())))?;
    let path = directory.join(format!("{restart_count}-{:08x}", rand::random::<u32>()));
    write(&path, b"", 0o666).await?;
    Ok(Mount {
        container_path: absolute(&container.termination_message_path),
        host_path: path.display().to_string(),
        ..Mount::default()
    })
}

/// Writes in place: the file may be mounted in containers that run.
async fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), MountsError> {
    let failed =
        |error: std::io::Error| MountsError::File(format!("failed to write {}: {error}", path.display()));
    tokio::fs::write(path, content).await.map_err(failed)?;
    tokio::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).await.map_err(failed)
}
