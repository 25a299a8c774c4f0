//! What a kubelet may make of pods: mirror pods of its own, and the status of those that run on it.

use api_types::core::v1::{Node, Pod, VolumeSource};
use apiserver_auth::authz::node::Vertex;
use apiserver_auth::authz::node::pod_references::{self, MIRROR_POD_ANNOTATION};
use machinery::meta::v1::OwnerReference;

use super::{object_of, old_object_of};
use crate::attributes::{Attributes, Operation};

/// A pod a kubelet makes is the mirror of one it runs, and belongs to its node. Gives the owner back.
pub fn judge_mirror<'a>(node: &str, pod: &'a Pod) -> Result<&'a OwnerReference, String> {
    if !pod.metadata.annotations.contains_key(MIRROR_POD_ANNOTATION) {
        return Err(format!(
            "pod does not have {MIRROR_POD_ANNOTATION:?} annotation, node {node:?} can only create mirror pods"
        ));
    }
    let only = |what: &str| Err(format!("node {node:?} can only create pods with {what} set to itself"));
    if pod.spec.node_name != node {
        return only("spec.nodeName");
    }
    let owner = match pod.metadata.owner_references.as_slice() {
        [owner] => owner,
        [] => return only("an owner reference"),
        _ => return only("a single owner reference"),
    };
    if owner.api_version != "v1" || owner.kind != "Node" || owner.name != node {
        return only("an owner reference");
    }
    if owner.controller != Some(true) {
        return only("a controller owner reference");
    }
    if owner.block_owner_deletion == Some(true) {
        return Err(format!("node {node:?} must not set blockOwnerDeletion on an owner reference"));
    }
    Ok(owner)
}

/// The owner is the node as it is now, not an earlier one of its name.
pub fn judge_owner(node: &Node, owner: &OwnerReference) -> Result<(), String> {
    if owner.uid == node.metadata.uid {
        return Ok(());
    }
    let name = &node.metadata.name;
    Err(format!("node {name} UID mismatch: expected {} got {}", owner.uid, node.metadata.uid))
}

/// A mirror pod that refers to objects would let the kubelet read them.
pub fn judge_references(node: &str, pod: &Pod) -> Result<(), String> {
    match reference(pod) {
        Ok(None) => Ok(()),
        Ok(Some(resource)) => Err(format!("node {node:?} can not create pods that reference {resource}")),
        Err(error) => Err(format!("error checking mirror pod for API references: {error}")),
    }
}

/// What the pod refers to, if anything.
fn reference(pod: &Pod) -> Result<Option<&'static str>, String> {
    let spec = &pod.spec;
    if !spec.service_account_name.is_empty() || !spec.service_account.is_empty() {
        return Ok(Some("serviceaccounts"));
    }
    let references = pod_references::of(pod);
    let refers_to = |wanted: Vertex| references.iter().any(|(kind, _)| *kind == wanted);
    if refers_to(Vertex::Secret) {
        return Ok(Some("secrets"));
    }
    if refers_to(Vertex::ConfigMap) {
        return Ok(Some("configmaps"));
    }
    if !spec.resource_claims.is_empty() {
        return Ok(Some("resourceclaims"));
    }
    for volume in &spec.volumes {
        let found = reference_of_volume(&volume.volume_source, &volume.name)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn reference_of_volume(source: &VolumeSource, name: &str) -> Result<Option<&'static str>, String> {
    let refers = [
        (source.config_map.is_some(), "configmaps (via configmap volumes)"),
        (source.secret.is_some(), "secrets (via secret volumes)"),
        (source.csi.is_some(), "csidrivers (via CSI volumes)"),
        (source.glusterfs.is_some(), "endpoints (via glusterFS volumes)"),
        (source.persistent_volume_claim.is_some(), "persistentvolumeclaims"),
        (source.ephemeral.is_some(), "persistentvolumeclaims (via ephemeral volumes)"),
        (source.azure_file.is_some(), "secrets (via azureFile volumes)"),
    ];
    if let Some((_, resource)) = refers.iter().find(|(refers, _)| *refers) {
        return Ok(Some(resource));
    }
    if let Some(projected) = &source.projected {
        for projection in &projected.sources {
            let refers = [
                (projection.config_map.is_some(), "configmaps (via projected volumes)"),
                (projection.secret.is_some(), "secrets (via projected volumes)"),
                (projection.service_account_token.is_some(), "serviceaccounts (via projected volumes)"),
                (projection.cluster_trust_bundle.is_some(), "clustertrustbundles"),
                (projection.pod_certificate.is_some(), "podcertificates"),
            ];
            if let Some((_, resource)) = refers.iter().find(|(refers, _)| *refers) {
                return Ok(Some(resource));
            }
            if projection.downward_api.is_none() {
                return Err(format!("unknown source for projected volume {name:?}"));
            }
        }
        return Ok(None);
    }
    // Whatever is new must be judged here first.
    if *source == VolumeSource::default() {
        return Err(format!("unknown volume type for volume {name:?}"));
    }
    Ok(None)
}

/// A kubelet tells the status of its own pods, and nothing else of them.
pub fn judge_status(node: &str, attributes: &Attributes) -> Result<(), String> {
    if attributes.operation != Operation::Update {
        return Err(format!("unexpected operation {:?}", attributes.operation.name()));
    }
    let old: &Pod = old_object_of(attributes)?;
    if old.spec.node_name != node {
        return Err(format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
        ));
    }
    let new: &Pod = object_of(attributes)?;
    if old.metadata.labels != new.metadata.labels {
        return Err(format!("node {node:?} cannot update labels through pod status"));
    }
    if old.status.resource_claim_statuses != new.status.resource_claim_statuses {
        return Err(format!("node {node:?} cannot update resource claim statues"));
    }
    if old.status.extended_resource_claim_status != new.status.extended_resource_claim_status {
        return Err(format!("node {node:?} cannot update extended resource claim status"));
    }
    Ok(())
}
