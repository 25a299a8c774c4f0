//! Whether a kubelet may ask for a token of this audience: one that the pod mounts, one that the driver of a
//! volume of the pod asks for, or one that it was given a right to.

use api_types::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use api_types::storage::v1::CSIDriver;
use apiserver_auth::authz::{self, Authorizer};
use machinery::field::aggregate_texts;
use machinery::status::StatusError;
use machinery::{GroupResource, Resource};

use crate::attributes::Attributes;
use crate::lookup::Lookup;

/// Judges a request for a token of `audience`, which is empty for that of the API server.
pub async fn judge(
    lookup: &Lookup,
    authorizer: &dyn Authorizer,
    attributes: &Attributes,
    pod: &Pod,
    audience: &str,
) -> Result<(), String> {
    if is_mounted(pod, audience) {
        return Ok(());
    }
    let mut errors = Vec::new();
    for volume in &pod.spec.volumes {
        match is_of_driver(lookup, pod, volume, audience).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => errors.push(error.to_string()),
        }
    }
    if !errors.is_empty() {
        let errors = aggregate_texts(errors);
        return Err(format!("error validating audience {audience:?}: {errors}"));
    }
    let user = &attributes.user;
    let right = authz::Attributes {
        namespace: &attributes.namespace,
        api_version: "v1",
        name: &attributes.name,
        ..authz::Attributes::resource(user, "request-serviceaccounts-token-audience", "", audience)
    };
    if authorizer.authorize(&right).await.is_allowed() {
        return Ok(());
    }
    Err(format!(
        "audience {audience:?} not found in pod spec volume, {} is not authorized to request tokens for this audience",
        user.username
    ))
}

fn is_mounted(pod: &Pod, audience: &str) -> bool {
    let projected = pod.spec.volumes.iter().filter_map(|volume| volume.volume_source.projected.as_ref());
    let tokens =
        projected.flat_map(|volume| &volume.sources).filter_map(|s| s.service_account_token.as_ref());
    tokens.into_iter().any(|token| token.audience == audience)
}

async fn is_of_driver(
    lookup: &Lookup,
    pod: &Pod,
    volume: &Volume,
    audience: &str,
) -> Result<bool, StatusError> {
    let source = &volume.volume_source;
    let namespace = &pod.metadata.namespace;
    let template = source.ephemeral.as_ref().and_then(|ephemeral| ephemeral.volume_claim_template.as_ref());
    let driver = if template.is_some() {
        of_claim(lookup, namespace, &format!("{}-{}", pod.metadata.name, volume.name)).await?
    } else if let Some(claim) = &source.persistent_volume_claim {
        of_claim(lookup, namespace, &claim.claim_name).await?
    } else if let Some(csi) = &source.csi {
        Some(csi.driver.clone())
    } else {
        of_inline_volume(volume).map(str::to_owned)
    };
    let Some(driver) = driver.filter(|driver| !driver.is_empty()) else { return Ok(false) };
    let driver: CSIDriver = existing(lookup, "", &driver).await?;
    Ok(driver.spec.token_requests.iter().any(|request| request.audience == audience))
}

async fn of_claim(lookup: &Lookup, namespace: &str, name: &str) -> Result<Option<String>, StatusError> {
    let claim: PersistentVolumeClaim = existing(lookup, namespace, name).await?;
    let volume: PersistentVolume = existing(lookup, "", &claim.spec.volume_name).await?;
    let source = &volume.spec.persistent_volume_source;
    if let Some(csi) = &source.csi {
        return Ok(Some(csi.driver.clone()));
    }
    let migrated = migrated([
        source.gce_persistent_disk.is_some(),
        source.aws_elastic_block_store.is_some(),
        source.cinder.is_some(),
        source.azure_disk.is_some(),
        source.azure_file.is_some(),
        source.vsphere_volume.is_some(),
        source.portworx_volume.is_some(),
    ]);
    Ok(migrated.map(str::to_owned))
}

fn of_inline_volume(volume: &Volume) -> Option<&'static str> {
    let source = &volume.volume_source;
    migrated([
        source.gce_persistent_disk.is_some(),
        source.aws_elastic_block_store.is_some(),
        source.cinder.is_some(),
        source.azure_disk.is_some(),
        source.azure_file.is_some(),
        source.vsphere_volume.is_some(),
        source.portworx_volume.is_some(),
    ])
}

/// The driver behind volumes that were part of Kubernetes once.
fn migrated(is: [bool; 7]) -> Option<&'static str> {
    let drivers = [
        "pd.csi.storage.gke.io",
        "ebs.csi.aws.com",
        "cinder.csi.openstack.org",
        "disk.csi.azure.com",
        "file.csi.azure.com",
        "csi.vsphere.vmware.com",
        "pxd.portworx.com",
    ];
    is.into_iter().zip(drivers).find(|(is, _)| *is).map(|(_, driver)| driver)
}

async fn existing<T: Resource>(lookup: &Lookup, namespace: &str, name: &str) -> Result<T, StatusError> {
    let found = lookup.find::<T>(namespace, name).await?;
    found.ok_or_else(|| StatusError::not_found(&GroupResource::new(T::GROUP, T::PLURAL), name))
}
