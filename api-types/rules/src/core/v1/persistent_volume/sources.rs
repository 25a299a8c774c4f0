//! Where a persistent volume's data is.

use crate::{
    core::v1::pod::{
        paths,
        volumes::{self, AzureDisk, OnlyOne, required},
    },
    report::Report,
};
use api_types::core::v1::{ISCSIPersistentVolumeSource, PersistentVolumeSource, SecretReference};
use machinery::{
    field::{ErrorList, Path},
    names,
};

fn validate_secret(secret: Option<&SecretReference>, path: &Path, errors: &mut ErrorList) {
    let Some(secret) = secret else { return };
    required(path, &[("name", &secret.name)], errors);
    if !secret.name.is_empty() {
        errors.invalid_each(&path.child("name"), &secret.name, names::is_dns1123_subdomain(&secret.name));
    }
    required(path, &[("namespace", &secret.namespace)], errors);
    if !secret.namespace.is_empty() {
        errors.invalid_each(
            &path.child("namespace"),
            &secret.namespace,
            names::is_dns1123_label(&secret.namespace),
        );
    }
}

fn validate_iscsi(iscsi: &ISCSIPersistentVolumeSource, volume: &str, path: &Path, errors: &mut ErrorList) {
    let wrong = "must be valid format";
    required(path, &[("targetPortal", &iscsi.target_portal)], errors);
    if iscsi.initiator_name.is_some() && volume.len() + 1 + iscsi.target_portal.len() > 64 {
        let why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(&path.child("targetportal"), &iscsi.target_portal, why);
    }
    required(path, &[("iqn", &iscsi.iqn)], errors);
    if !iscsi.iqn.is_empty() {
        volumes::validate_iscsi_name(&iscsi.iqn, wrong, &path.child("iqn"), errors);
    }
    errors.invalid_each(&path.child("lun"), iscsi.lun, names::is_in_range(i64::from(iscsi.lun), 0, 255));
    match &iscsi.secret_ref {
        None if iscsi.chap_auth_discovery || iscsi.chap_auth_session => {
            errors.required(&path.child("secretRef"), "")
        }
        None => {}
        Some(secret) => required(&path.child("secretRef"), &[("name", &secret.name)], errors),
    }
    if let Some(initiator) = &iscsi.initiator_name {
        volumes::validate_iscsi_name(initiator, wrong, &path.child("initiatorname"), errors);
    }
}

fn validate_network(
    source: &PersistentVolumeSource,
    volume: &str,
    only: &mut OnlyOne<'_>,
    errors: &mut ErrorList,
) {
    let root = only.path.clone();
    if let Some((gluster, path)) = only.take(source.glusterfs.as_deref(), "glusterfs", errors) {
        required(&path, &[("endpoints", &gluster.endpoints), ("path", &gluster.path)], errors);
        let path = path.child("endpointsNamespace");
        match gluster.endpoints_namespace.as_deref() {
            None => {}
            Some("") => errors.invalid(
                &path,
                "",
                "if the endpointnamespace is set, it must be a valid namespace name",
            ),
            Some(namespace) => {
                errors.invalid_each(&path, namespace, names::name_is_dns_label(namespace, false))
            }
        }
    }
    if let Some((flocker, path)) = only.take(source.flocker.as_deref(), "flocker", errors) {
        volumes::validate_flocker(&flocker.dataset_name, &flocker.dataset_uuid, &path, errors);
    }
    if let Some((nfs, path)) = only.take(source.nfs.as_deref(), "nfs", errors) {
        volumes::validate_nfs(&nfs.server, &nfs.path, &path, errors);
    }
    if let Some((rbd, path)) = only.take(source.rbd.as_deref(), "rbd", errors) {
        volumes::validate_monitors(&rbd.monitors, &path, errors);
        required(&path, &[("image", &rbd.image)], errors);
    }
    if let Some((quobyte, path)) = only.take(source.quobyte.as_deref(), "quobyte", errors) {
        volumes::validate_quobyte(&quobyte.registry, &quobyte.tenant, &quobyte.volume, &path, errors);
    }
    if let Some((ceph, _)) = only.take(source.cephfs.as_deref(), "cephFS", errors) {
        volumes::validate_monitors(&ceph.monitors, &root.child("cephfs"), errors);
    }
    if let Some((iscsi, path)) = only.take(source.iscsi.as_deref(), "iscsi", errors) {
        validate_iscsi(iscsi, volume, &path, errors);
    }
    if let Some((cinder, path)) = only.take(source.cinder.as_deref(), "cinder", errors) {
        required(&path, &[("volumeID", &cinder.volume_id)], errors);
        if let Some(secret) = &cinder.secret_ref {
            required(
                &path.child("secretRef"),
                &[("name", &secret.name), ("namespace", &secret.namespace)],
                errors,
            );
        }
    }
    if let Some((fc, path)) = only.take(source.fc.as_deref(), "fc", errors) {
        volumes::validate_fc(fc, &path, errors);
    }
    if let Some(flex) = &source.flex_volume {
        only.taken = true;
        volumes::validate_flex(&flex.driver, &flex.options, &root.child("flexVolume"), errors);
    }
}

fn validate_cloud(source: &PersistentVolumeSource, only: &mut OnlyOne<'_>, errors: &mut ErrorList) {
    if let Some((file, path)) = only.take(source.azure_file.as_deref(), "azureFile", errors) {
        required(&path, &[("secretName", &file.secret_name), ("shareName", &file.share_name)], errors);
        if let Some(namespace) = &file.secret_namespace {
            required(&path, &[("secretNamespace", namespace)], errors);
        }
    }
    if let Some((vsphere, path)) = only.take(source.vsphere_volume.as_deref(), "vsphereVolume", errors) {
        required(&path, &[("volumePath", &vsphere.volume_path)], errors);
    }
    if let Some((photon, path)) =
        only.take(source.photon_persistent_disk.as_deref(), "photonPersistentDisk", errors)
    {
        required(&path, &[("pdID", &photon.pd_id)], errors);
    }
    if let Some((portworx, path)) = only.take(source.portworx_volume.as_deref(), "portworxVolume", errors) {
        required(&path, &[("volumeID", &portworx.volume_id)], errors);
    }
    if let Some((disk, path)) = only.take(source.azure_disk.as_deref(), "azureDisk", errors) {
        volumes::validate_azure_disk(&AzureDisk::from(disk), &path, errors);
    }
    if let Some((scale_io, path)) = only.take(source.scale_io.as_deref(), "scaleIO", errors) {
        let fields = [
            ("gateway", &*scale_io.gateway),
            ("system", &scale_io.system),
            ("volumeName", &scale_io.volume_name),
        ];
        required(&path, &fields, errors);
    }
}

/// The one source of a volume called `volume`.
pub fn validate(
    source: &PersistentVolumeSource,
    volume: &str,
    affinity: bool,
    path: &Path,
    errors: &mut ErrorList,
) {
    let mut only = OnlyOne { path, taken: false };
    if let Some((host, path)) = only.take(source.host_path.as_deref(), "hostPath", errors) {
        volumes::validate_host_path(host, &path, errors);
    }
    if let Some((disk, _)) = only.take(source.gce_persistent_disk.as_deref(), "gcePersistentDisk", errors) {
        let path = path.child("persistentDisk");
        required(&path, &[("pdName", &disk.pd_name)], errors);
        volumes::validate_partition(disk.partition, &path, errors);
    }
    if let Some((disk, path)) =
        only.take(source.aws_elastic_block_store.as_deref(), "awsElasticBlockStore", errors)
    {
        required(&path, &[("volumeID", &disk.volume_id)], errors);
        volumes::validate_partition(disk.partition, &path, errors);
    }
    validate_network(source, volume, &mut only, errors);
    validate_cloud(source, &mut only, errors);
    if let Some((local, at)) = only.take(source.local.as_deref(), "local", errors) {
        required(&at, &[("path", &local.path)], errors);
        paths::validate_no_backsteps(&local.path, &at.child("path"), errors);
        if !affinity {
            errors.required(&path.child("nodeAffinity"), "Local volume requires node affinity");
        }
    }
    if let Some((storageos, path)) = only.take(source.storageos.as_deref(), "storageos", errors) {
        volumes::validate_storageos(&storageos.volume_name, &storageos.volume_namespace, &path, errors);
        if let Some(secret) = &storageos.secret_ref {
            required(
                &path.child("secretRef"),
                &[("name", &secret.name), ("namespace", &secret.namespace)],
                errors,
            );
        }
    }
    if let Some((csi, path)) = only.take(source.csi.as_deref(), "csi", errors) {
        volumes::validate_csi_driver(&csi.driver, &path.child("driver"), errors);
        required(&path, &[("volumeHandle", &csi.volume_handle)], errors);
        validate_secret(
            csi.controller_publish_secret_ref.as_deref(),
            &path.child("controllerPublishSecretRef"),
            errors,
        );
        validate_secret(
            csi.controller_expand_secret_ref.as_deref(),
            &path.child("controllerExpandSecretRef"),
            errors,
        );
        validate_secret(csi.node_publish_secret_ref.as_deref(), &path.child("nodePublishSecretRef"), errors);
        validate_secret(csi.node_expand_secret_ref.as_deref(), &path.child("nodeExpandSecretRef"), errors);
    }
    if !only.taken {
        errors.required(path, "must specify a volume type");
    }
}
