//! The objects a pod or a volume refers to, and which its kubelet therefore has to read.

use api_types::core::v1::{
    ConfigMapEnvSource, Container, EnvFromSource, EnvVar, PersistentVolume, Pod, SecretReference,
    VolumeSource,
};

use super::Vertex;

/// Annotation of pods that a kubelet made to show a static pod.
pub const MIRROR_POD_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// What a pod refers to in its own namespace, as kind and name. Names may repeat.
pub fn of(pod: &Pod) -> Vec<(Vertex, String)> {
    let mut found = Vec::new();
    let spec = &pod.spec;
    found.push((Vertex::ServiceAccount, spec.service_account_name.clone()));
    found.extend(spec.image_pull_secrets.iter().map(|secret| (Vertex::Secret, secret.name.clone())));
    for container in spec.init_containers.iter().chain(&spec.containers) {
        let Container { env, env_from, .. } = container;
        of_environment(env, env_from, &mut found);
    }
    for container in &spec.ephemeral_containers {
        let common = &container.ephemeral_container_common;
        of_environment(&common.env, &common.env_from, &mut found);
    }
    for volume in &spec.volumes {
        let source = &volume.volume_source;
        of_volume(source, &mut found);
        if let Some(claim) = &source.persistent_volume_claim {
            found.push((Vertex::PersistentVolumeClaim, claim.claim_name.clone()));
        } else if source.ephemeral.is_some() {
            let claim = format!("{}-{}", pod.metadata.name, volume.name);
            found.push((Vertex::PersistentVolumeClaim, claim));
        }
    }
    found.extend(resource_claims(pod).map(|claim| (Vertex::ResourceClaim, claim)));
    found.retain(|(_, name)| !name.is_empty());
    found
}

/// Claims named in the spec, or generated from a template and noted in the status.
fn resource_claims(pod: &Pod) -> impl Iterator<Item = String> {
    let generated = |claim: &str| {
        let statuses = &pod.status.resource_claim_statuses;
        statuses.iter().find(|status| status.name == claim)?.resource_claim_name.clone()
    };
    let extended = pod.status.extended_resource_claim_status.as_ref().map(|s| s.resource_claim_name.clone());
    pod.spec
        .resource_claims
        .iter()
        .filter_map(move |claim| claim.resource_claim_name.clone().or_else(|| generated(&claim.name)))
        .chain(extended)
}

fn of_environment(env: &[EnvVar], env_from: &[EnvFromSource], found: &mut Vec<(Vertex, String)>) {
    for source in env_from {
        if let Some(secret) = &source.secret_ref {
            found.push((Vertex::Secret, secret.local_object_reference.name.clone()));
        }
        if let Some(map) = &source.config_map_ref {
            let ConfigMapEnvSource { local_object_reference, .. } = &**map;
            found.push((Vertex::ConfigMap, local_object_reference.name.clone()));
        }
    }
    for source in env.iter().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(secret) = &source.secret_key_ref {
            found.push((Vertex::Secret, secret.local_object_reference.name.clone()));
        }
        if let Some(map) = &source.config_map_key_ref {
            found.push((Vertex::ConfigMap, map.local_object_reference.name.clone()));
        }
    }
}

fn of_volume(source: &VolumeSource, found: &mut Vec<(Vertex, String)>) {
    let references = [
        source.cephfs.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.cinder.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.flex_volume.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.rbd.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.scale_io.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.iscsi.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.storageos.as_ref().and_then(|v| v.secret_ref.as_ref()),
        source.csi.as_ref().and_then(|v| v.node_publish_secret_ref.as_ref()),
    ];
    found.extend(references.into_iter().flatten().map(|secret| (Vertex::Secret, secret.name.clone())));
    if let Some(file) = &source.azure_file {
        found.push((Vertex::Secret, file.secret_name.clone()));
    }
    if let Some(secret) = &source.secret {
        found.push((Vertex::Secret, secret.secret_name.clone()));
    }
    if let Some(map) = &source.config_map {
        found.push((Vertex::ConfigMap, map.local_object_reference.name.clone()));
    }
    for projection in source.projected.iter().flat_map(|projected| &projected.sources) {
        if let Some(secret) = &projection.secret {
            found.push((Vertex::Secret, secret.local_object_reference.name.clone()));
        }
        if let Some(map) = &projection.config_map {
            found.push((Vertex::ConfigMap, map.local_object_reference.name.clone()));
        }
    }
}

/// Namespace and name of the secrets a kubelet needs to mount a volume. Where a reference has no
/// namespace, old objects mean the one of the claim.
pub fn kubelet_visible_secrets_of_volume(volume: &PersistentVolume) -> Vec<(String, String)> {
    let source = &volume.spec.persistent_volume_source;
    let claim_namespace =
        volume.spec.claim_ref.as_ref().map(|claim| claim.namespace.clone()).unwrap_or_default();
    let or_claim = |namespace: &str| match namespace {
        "" => claim_namespace.clone(),
        own => own.to_string(),
    };
    let mut found = Vec::new();
    if let Some(file) = &source.azure_file {
        found
            .push((or_claim(file.secret_namespace.as_deref().unwrap_or_default()), file.secret_name.clone()));
    }
    let inherits: [Option<&SecretReference>; 5] = [
        source.cephfs.as_ref().and_then(|v| v.secret_ref.as_deref()),
        source.flex_volume.as_ref().and_then(|v| v.secret_ref.as_deref()),
        source.rbd.as_ref().and_then(|v| v.secret_ref.as_deref()),
        source.scale_io.as_ref().and_then(|v| v.secret_ref.as_deref()),
        source.iscsi.as_ref().and_then(|v| v.secret_ref.as_deref()),
    ];
    found.extend(inherits.into_iter().flatten().map(|s| (or_claim(&s.namespace), s.name.clone())));
    let csi = source.csi.as_ref();
    let exact: [Option<(&String, &String)>; 5] = [
        source.cinder.as_ref().and_then(|v| v.secret_ref.as_ref()).map(|s| (&s.namespace, &s.name)),
        source.storageos.as_ref().and_then(|v| v.secret_ref.as_ref()).map(|s| (&s.namespace, &s.name)),
        csi.and_then(|v| v.node_publish_secret_ref.as_ref()).map(|s| (&s.namespace, &s.name)),
        csi.and_then(|v| v.node_stage_secret_ref.as_ref()).map(|s| (&s.namespace, &s.name)),
        csi.and_then(|v| v.node_expand_secret_ref.as_ref()).map(|s| (&s.namespace, &s.name)),
    ];
    found.extend(exact.into_iter().flatten().map(|(namespace, name)| (namespace.clone(), name.clone())));
    found.retain(|(_, name)| !name.is_empty());
    found
}
