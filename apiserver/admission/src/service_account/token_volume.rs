//! The volume with the token of the service account, the certificate of the API server and the namespace.

use api_types::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath,
    LocalObjectReference, ObjectFieldSelector, Pod, ProjectedVolumeSource, ServiceAccountTokenProjection,
    Volume, VolumeMount, VolumeProjection, VolumeSource,
};
use machinery::names::generate_name;

/// How names of such volumes begin.
const NAME_PREFIX: &str = "kube-api-access-";
/// Where clients in pods look for their token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour and a little: tokens of this life are extended for clients that do not read them again.
const TOKEN_SECONDS: i64 = 60 * 60 + 7;
/// Permissions of the files.
const MODE: i32 = 0o644;

/// Mounts the volume into every container that has nothing at its path, and adds it if somebody needs it.
pub fn mount(pod: &mut Pod, random: impl FnMut() -> u32) {
    let spec = &mut pod.spec;
    let existing = spec.volumes.iter().find(|volume| volume.name.starts_with(NAME_PREFIX));
    let existing = existing.map(|volume| volume.name.clone());
    let name = existing.clone().unwrap_or_else(|| generate_name(NAME_PREFIX, random));
    let mut needed = false;
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        needed |= mount_into(container, &name);
    }
    if existing.is_none() && needed {
        spec.volumes.push(Volume { name, volume_source: source() });
    }
}

fn mount_into(container: &mut Container, volume: &str) -> bool {
    if container.volume_mounts.iter().any(|mount| mount.mount_path == MOUNT_PATH) {
        return false;
    }
    container.volume_mounts.push(VolumeMount {
        name: volume.to_owned(),
        read_only: true,
        mount_path: MOUNT_PATH.to_owned(),
        ..VolumeMount::default()
    });
    true
}

fn source() -> VolumeSource {
    let token = ServiceAccountTokenProjection {
        path: "token".to_owned(),
        expiration_seconds: Some(TOKEN_SECONDS),
        ..ServiceAccountTokenProjection::default()
    };
    let certificate = ConfigMapProjection {
        local_object_reference: LocalObjectReference { name: "kube-root-ca.crt".to_owned() },
        items: vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None }],
        optional: None,
    };
    let field =
        ObjectFieldSelector { api_version: "v1".to_owned(), field_path: "metadata.namespace".to_owned() };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(Box::new(field)),
        ..DownwardAPIVolumeFile::default()
    };
    let sources = vec![
        VolumeProjection { service_account_token: Some(Box::new(token)), ..VolumeProjection::default() },
        VolumeProjection { config_map: Some(Box::new(certificate)), ..VolumeProjection::default() },
        VolumeProjection {
            downward_api: Some(Box::new(DownwardAPIProjection { items: vec![namespace] })),
            ..VolumeProjection::default()
        },
    ];
    VolumeSource {
        projected: Some(Box::new(ProjectedVolumeSource { sources, default_mode: Some(MODE) })),
        ..VolumeSource::default()
    }
}
