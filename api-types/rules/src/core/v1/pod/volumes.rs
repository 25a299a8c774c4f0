//! Validation of the volumes of a pod.

use super::{options::PodRules, paths, projections};
use crate::{core::v1::persistent_volume_claim, meta, report::Report};
use api_types::core::v1::{
    FCVolumeSource, HostPathVolumeSource, ISCSIVolumeSource, KeyToPath, PodSpec, Volume, VolumeSource,
};
use machinery::{
    field::{ErrorList, Path},
    meta::v1::ObjectMeta,
    names,
};
use std::collections::{BTreeMap, BTreeSet};

/// Volumes that are well-formed, by name; containers may only mount these.
pub type Volumes<'a> = BTreeMap<&'a str, &'a VolumeSource>;

/// Checks all volumes. `pod` is there when the spec belongs to a pod, whose name becomes part of claim names.
pub fn validate<'a>(
    volumes: &'a [Volume],
    pod: Option<&ObjectMeta>,
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) -> Volumes<'a> {
    let pod_name = pod.map(|pod| pod.name.as_str()).filter(|name| !name.is_empty());
    let created_claims: BTreeSet<String> = volumes
        .iter()
        .filter(|volume| volume.volume_source.ephemeral.is_some())
        .filter_map(|volume| pod_name.map(|pod| format!("{pod}-{}", volume.name)))
        .collect();
    let mut good = Volumes::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let name = path.child("name");
        let mut found = ErrorList::new();
        validate_source(&volume.volume_source, &volume.name, pod_name, &path, rules, &mut found);
        if volume.name.is_empty() {
            found.required(&name, "");
        } else {
            found.invalid_each(&name, &volume.name, names::is_dns1123_label(&volume.name));
        }
        if good.contains_key(volume.name.as_str()) {
            found.duplicate(&name, &volume.name);
        }
        if found.is_empty() {
            good.insert(&volume.name, &volume.volume_source);
        }
        errors.extend(found);
        if let Some(claim) = &volume.volume_source.persistent_volume_claim
            && created_claims.contains(&claim.claim_name)
        {
            let path = path.child("persistentVolumeClaim").child("claimName");
            errors.invalid(
                &path,
                &claim.claim_name,
                "must not reference a PVC that gets created for an ephemeral volume",
            );
        }
    }
    good
}

/// Says that a second source is one too many; true for the first.
pub(crate) struct OnlyOne<'a> {
    /// Of the volume.
    pub path: &'a Path,
    /// Set after the first source.
    pub taken: bool,
}

impl OnlyOne<'_> {
    /// The source and its path, when it is set and the first.
    pub fn take<'s, T: ?Sized>(
        &mut self,
        source: Option<&'s T>,
        field: &'static str,
        errors: &mut ErrorList,
    ) -> Option<(&'s T, Path)> {
        let source = source?;
        let path = self.path.child(field);
        if self.taken {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            return None;
        }
        self.taken = true;
        Some((source, path))
    }
}

/// Fields that may not be empty.
pub(crate) fn required(path: &Path, fields: &[(&'static str, &str)], errors: &mut ErrorList) {
    for (field, value) in fields {
        if value.is_empty() {
            errors.required(&path.child(*field), "");
        }
    }
}

fn validate_source(
    source: &VolumeSource,
    name: &str,
    pod: Option<&str>,
    path: &Path,
    rules: &PodRules,
    errors: &mut ErrorList,
) {
    let mut only = OnlyOne { path, taken: false };
    if let Some(empty) = &source.empty_dir {
        only.taken = true;
        if empty.size_limit.as_ref().is_some_and(|limit| limit.sign() < 0) {
            errors.forbidden(
                &path.child("emptyDir").child("sizeLimit"),
                "SizeLimit field must be a valid resource quantity",
            );
        }
    }
    if let Some((host, path)) = only.take(source.host_path.as_deref(), "hostPath", errors) {
        validate_host_path(host, &path, errors);
    }
    if let Some((git, path)) = only.take(source.git_repo.as_deref(), "gitRepo", errors) {
        required(&path, &[("repository", &git.repository)], errors);
        paths::validate_descending(&git.directory, &path.child("directory"), errors);
    }
    if let Some((disk, _)) = only.take(source.gce_persistent_disk.as_deref(), "gcePersistentDisk", errors) {
        let path = path.child("persistentDisk");
        required(&path, &[("pdName", &disk.pd_name)], errors);
        validate_partition(disk.partition, &path, errors);
    }
    if let Some((disk, path)) =
        only.take(source.aws_elastic_block_store.as_deref(), "awsElasticBlockStore", errors)
    {
        required(&path, &[("volumeID", &disk.volume_id)], errors);
        validate_partition(disk.partition, &path, errors);
    }
    if let Some((secret, path)) = only.take(source.secret.as_deref(), "secret", errors) {
        required(&path, &[("secretName", &secret.secret_name)], errors);
        paths::validate_mode(secret.default_mode, &path.child("defaultMode"), errors);
        validate_items(&secret.items, &path.child("items"), errors);
    }
    if let Some((nfs, path)) = only.take(source.nfs.as_deref(), "nfs", errors) {
        validate_nfs(&nfs.server, &nfs.path, &path, errors);
    }
    if let Some((iscsi, path)) = only.take(source.iscsi.as_deref(), "iscsi", errors) {
        validate_iscsi(iscsi, &path, errors);
    }
    if let Some(iscsi) = &source.iscsi
        && iscsi.initiator_name.is_some()
        && name.len() + 1 + iscsi.target_portal.len() > 64
    {
        errors.invalid(&path.child("name"), name, "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.");
    }
    if let Some((gluster, path)) = only.take(source.glusterfs.as_deref(), "glusterfs", errors) {
        required(&path, &[("endpoints", &gluster.endpoints), ("path", &gluster.path)], errors);
    }
    if let Some((flocker, path)) = only.take(source.flocker.as_deref(), "flocker", errors) {
        validate_flocker(&flocker.dataset_name, &flocker.dataset_uuid, &path, errors);
    }
    if let Some((claim, path)) =
        only.take(source.persistent_volume_claim.as_deref(), "persistentVolumeClaim", errors)
    {
        required(&path, &[("claimName", &claim.claim_name)], errors);
    }
    if let Some((rbd, path)) = only.take(source.rbd.as_deref(), "rbd", errors) {
        validate_monitors(&rbd.monitors, &path, errors);
        required(&path, &[("image", &rbd.image)], errors);
    }
    if let Some((cinder, path)) = only.take(source.cinder.as_deref(), "cinder", errors) {
        required(&path, &[("volumeID", &cinder.volume_id)], errors);
        if let Some(secret) = &cinder.secret_ref {
            required(&path.child("secretRef"), &[("name", &secret.name)], errors);
        }
    }
    if let Some((ceph, _)) = only.take(source.cephfs.as_deref(), "cephFS", errors) {
        validate_monitors(&ceph.monitors, &path.child("cephfs"), errors);
    }
    if let Some((quobyte, path)) = only.take(source.quobyte.as_deref(), "quobyte", errors) {
        validate_quobyte(&quobyte.registry, &quobyte.tenant, &quobyte.volume, &path, errors);
    }
    if let Some((downward, _)) = only.take(source.downward_api.as_deref(), "downwarAPI", errors) {
        let path = path.child("downwardAPI");
        paths::validate_mode(downward.default_mode, &path.child("defaultMode"), errors);
        for file in &downward.items {
            projections::validate_downward_file(file, &path, errors);
        }
    }
    if let Some((fc, path)) = only.take(source.fc.as_deref(), "fc", errors) {
        validate_fc(fc, &path, errors);
    }
    if let Some((flex, path)) = only.take(source.flex_volume.as_deref(), "flexVolume", errors) {
        validate_flex(&flex.driver, &flex.options, &path, errors);
    }
    if let Some((config_map, path)) = only.take(source.config_map.as_deref(), "configMap", errors) {
        required(&path, &[("name", &config_map.local_object_reference.name)], errors);
        paths::validate_mode(config_map.default_mode, &path.child("defaultMode"), errors);
        validate_items(&config_map.items, &path.child("items"), errors);
    }
    if let Some((file, path)) = only.take(source.azure_file.as_deref(), "azureFile", errors) {
        required(&path, &[("secretName", &file.secret_name), ("shareName", &file.share_name)], errors);
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
        validate_azure_disk(&AzureDisk::from(disk), &path, errors);
    }
    if let Some((storageos, path)) = only.take(source.storageos.as_deref(), "storageos", errors) {
        validate_storageos(&storageos.volume_name, &storageos.volume_namespace, &path, errors);
        if let Some(secret) = &storageos.secret_ref {
            required(&path.child("secretRef"), &[("name", &secret.name)], errors);
        }
    }
    if let Some((projected, path)) = only.take(source.projected.as_deref(), "projected", errors) {
        paths::validate_mode(projected.default_mode, &path.child("defaultMode"), errors);
        projections::validate_sources(&projected.sources, &path, rules, errors);
    }
    if let Some((scale_io, path)) = only.take(source.scale_io.as_deref(), "scaleIO", errors) {
        required(
            &path,
            &[
                ("gateway", &scale_io.gateway),
                ("system", &scale_io.system),
                ("volumeName", &scale_io.volume_name),
            ],
            errors,
        );
    }
    if let Some((csi, path)) = only.take(source.csi.as_deref(), "csi", errors) {
        validate_csi_driver(&csi.driver, &path.child("driver"), errors);
        if let Some(secret) = &csi.node_publish_secret_ref {
            if secret.name.is_empty() {
                errors.required(&path.child("nodePublishSecretRef").child("name"), "");
            } else {
                errors.invalid_each(
                    &path.child("name"),
                    &secret.name,
                    names::name_is_dns_subdomain(&secret.name, false),
                );
            }
        }
    }
    if let Some((ephemeral, path_of)) = only.take(source.ephemeral.as_deref(), "ephemeral", errors) {
        match &ephemeral.volume_claim_template {
            None => errors.required(&path_of.child("volumeClaimTemplate"), ""),
            Some(template) => {
                let path = path_of.child("volumeClaimTemplate");
                let metadata = path.child("metadata");
                errors.extend(meta::validate_annotations(
                    &template.metadata.annotations,
                    &metadata.child("annotations"),
                ));
                errors.extend(meta::validate_labels(&template.metadata.labels, &metadata.child("labels")));
                projections::validate_template_meta(&template.metadata, &metadata, errors);
                persistent_volume_claim::validation::validate_spec(
                    &template.spec,
                    &path.child("spec"),
                    errors,
                );
            }
        }
        if let Some(pod) = pod.filter(|_| !name.is_empty()) {
            let claim = format!("{pod}-{name}");
            for message in names::name_is_dns_subdomain(&claim, false) {
                errors.invalid(&path.child("name"), name, format!("PVC name {claim:?}: {message}"));
            }
        }
    }
    if let Some((image, path)) = only.take(source.image.as_deref(), "image", errors) {
        if rules.is_pod && image.reference.is_empty() {
            errors.required(&path.child("reference"), "");
        }
        validate_pull_policy(&image.pull_policy, &path.child("pullPolicy"), errors);
    }
    if !only.taken {
        errors.required(path, "must specify a volume type");
    }
}

/// When the kubelet pulls an image.
pub fn validate_pull_policy(policy: &str, path: &Path, errors: &mut ErrorList) {
    match policy {
        "Always" | "IfNotPresent" | "Never" => {}
        "" => errors.required(path, ""),
        other => errors.not_supported(path, other, &["Always", "IfNotPresent", "Never"]),
    }
}

/// Name of a CSI driver.
pub fn validate_csi_driver(driver: &str, path: &Path, errors: &mut ErrorList) {
    if driver.is_empty() {
        errors.required(path, "");
        return;
    }
    if driver.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.invalid_each(path, driver, names::is_dns1123_subdomain(&driver.to_lowercase()));
}

/// A path on the node.
pub fn validate_host_path(host: &HostPathVolumeSource, path: &Path, errors: &mut ErrorList) {
    if host.path.is_empty() {
        errors.required(&path.child("path"), "");
        return;
    }
    paths::validate_no_backsteps(&host.path, &path.child("path"), errors);
    let kinds =
        ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"];
    if let Some(kind) = &host.type_
        && !kinds.contains(&kind.as_str())
    {
        errors.not_supported(&path.child("type"), kind, &kinds);
    }
}

/// A partition of a disk.
pub fn validate_partition(partition: i32, path: &Path, errors: &mut ErrorList) {
    if !(0..=255).contains(&partition) {
        errors.invalid(&path.child("partition"), partition, "must be between 0 and 255, inclusive");
    }
}

/// A file made from a key.
pub fn validate_items(items: &[KeyToPath], path: &Path, errors: &mut ErrorList) {
    for (index, item) in items.iter().enumerate() {
        validate_item(item, &path.index(index), errors);
    }
}

/// One file made from a key.
pub fn validate_item(item: &KeyToPath, path: &Path, errors: &mut ErrorList) {
    required(path, &[("key", &item.key), ("path", &item.path)], errors);
    paths::validate_unreserved(&item.path, &path.child("path"), errors);
    paths::validate_mode(item.mode, &path.child("mode"), errors);
}

/// Server and path of an NFS share.
pub fn validate_nfs(server: &str, share: &str, path: &Path, errors: &mut ErrorList) {
    required(path, &[("server", server), ("path", share)], errors);
    if !share.starts_with('/') {
        errors.invalid(&path.child("path"), share, "must be an absolute path");
    }
}

/// Ceph monitors: at least one.
pub fn validate_monitors(monitors: &[String], path: &Path, errors: &mut ErrorList) {
    if monitors.is_empty() {
        errors.required(&path.child("monitors"), "");
    }
}

/// Flocker data set by exactly one of name and uuid.
pub fn validate_flocker(name: &str, uuid: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() && uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), name, "must not contain '/'");
    }
}

/// Quobyte registry, tenant and volume.
pub fn validate_quobyte(registry: &str, tenant: &str, volume: &str, path: &Path, errors: &mut ErrorList) {
    let pairs = "must be a host:port pair or multiple pairs separated by commas";
    if registry.is_empty() {
        errors.required(&path.child("registry"), pairs);
    } else if tenant.len() >= 65 {
        errors.required(&path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in registry.split(',') {
            let well_formed = match pair.strip_prefix('[') {
                Some(rest) => rest.contains("]:"),
                None => pair.matches(':').count() == 1,
            };
            if !well_formed {
                errors.invalid(&path.child("registry"), registry, pairs);
            }
        }
    }
    required(path, &[("volume", volume)], errors);
}

fn is_iscsi_name(name: &str) -> bool {
    let date = |text: &str| {
        let bytes = text.as_bytes();
        bytes.len() == 7
            && bytes[4] == b'-'
            && bytes.iter().enumerate().all(|(at, byte)| at == 4 || byte.is_ascii_digit())
    };
    if let Some(rest) = name.strip_prefix("iqn.") {
        let Some((day, rest)) = rest.split_once('.') else { return false };
        let (authority, local) = rest.split_once(':').unwrap_or((rest, "x"));
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        return date(day) && !authority.is_empty() && authority.bytes().all(word) && !local.is_empty();
    }
    let hex = |text: &str, lengths: &[usize]| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match (name.strip_prefix("eui."), name.strip_prefix("naa.")) {
        (Some(rest), _) => hex(rest, &[16]),
        (_, Some(rest)) => hex(rest, &[16, 32]),
        _ => false,
    }
}

/// `wrong_prefix` is said of names that are neither iqn, eui nor naa.
pub fn validate_iscsi_name(name: &str, wrong_prefix: &str, path: &Path, errors: &mut ErrorList) {
    if !["iqn", "eui", "naa"].iter().any(|prefix| name.starts_with(prefix)) {
        errors.invalid(path, name, wrong_prefix);
    } else if !is_iscsi_name(name) {
        errors.invalid(path, name, "must be valid format");
    }
}

fn validate_iscsi(iscsi: &ISCSIVolumeSource, path: &Path, errors: &mut ErrorList) {
    let prefix = "must be valid format starting with iqn, eui, or naa";
    required(path, &[("targetPortal", &iscsi.target_portal), ("iqn", &iscsi.iqn)], errors);
    if !iscsi.iqn.is_empty() {
        validate_iscsi_name(&iscsi.iqn, prefix, &path.child("iqn"), errors);
    }
    errors.invalid_each(&path.child("lun"), iscsi.lun, names::is_in_range(i64::from(iscsi.lun), 0, 255));
    if (iscsi.chap_auth_discovery || iscsi.chap_auth_session) && iscsi.secret_ref.is_none() {
        errors.required(&path.child("secretRef"), "");
    }
    if let Some(initiator) = &iscsi.initiator_name {
        validate_iscsi_name(initiator, prefix, &path.child("initiatorname"), errors);
    }
}

/// Fibre channel targets.
pub fn validate_fc(fc: &FCVolumeSource, path: &Path, errors: &mut ErrorList) {
    let targets = path.child("targetWWNs");
    if fc.target_wwns.is_empty() && fc.wwids.is_empty() {
        errors.required(&targets, "must specify either targetWWNs or wwids, but not both");
    }
    if !fc.target_wwns.is_empty() && !fc.wwids.is_empty() {
        errors.invalid(&targets, &fc.target_wwns, "targetWWNs and wwids can not be specified simultaneously");
    }
    if !fc.target_wwns.is_empty() {
        match fc.lun {
            None => errors.required(&path.child("lun"), "lun is required if targetWWNs is specified"),
            Some(lun) => {
                errors.invalid_each(&path.child("lun"), lun, names::is_in_range(i64::from(lun), 0, 255))
            }
        }
    }
}

/// Driver and options of a flex volume.
pub fn validate_flex(driver: &str, options: &BTreeMap<String, String>, path: &Path, errors: &mut ErrorList) {
    required(path, &[("driver", driver)], errors);
    for key in options.keys() {
        let namespace = key.split_once('/').map_or(key.as_str(), |(namespace, _)| namespace);
        let dotted = format!(".{}", namespace.to_lowercase());
        if dotted.ends_with(".kubernetes.io") || dotted.ends_with(".k8s.io") {
            errors.invalid(
                &path.child("options").key(key),
                key,
                "kubernetes.io and k8s.io namespaces are reserved",
            );
        }
    }
}

/// The fields of an Azure disk that pods and persistent volumes share.
pub struct AzureDisk<'a> {
    name: &'a str,
    uri: &'a str,
    caching: Option<&'a str>,
    kind: Option<&'a str>,
}

impl<'a> From<&'a api_types::core::v1::AzureDiskVolumeSource> for AzureDisk<'a> {
    fn from(disk: &'a api_types::core::v1::AzureDiskVolumeSource) -> Self {
        AzureDisk {
            name: &disk.disk_name,
            uri: &disk.disk_uri,
            caching: disk.caching_mode.as_deref(),
            kind: disk.kind.as_deref(),
        }
    }
}

/// An Azure disk.
pub fn validate_azure_disk(disk: &AzureDisk<'_>, path: &Path, errors: &mut ErrorList) {
    required(path, &[("diskName", disk.name), ("diskURI", disk.uri)], errors);
    let (modes, kinds) = (["None", "ReadOnly", "ReadWrite"], ["Dedicated", "Managed", "Shared"]);
    if let Some(mode) = disk.caching.filter(|mode| !modes.contains(mode)) {
        errors.not_supported(&path.child("cachingMode"), mode, &modes);
    }
    let Some(kind) = disk.kind else { return };
    if !kinds.contains(&kind) {
        errors.not_supported(&path.child("kind"), kind, &kinds);
    }
    let (prefix, example) = if kind == "Managed" {
        (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        )
    } else {
        ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
    };
    if !disk.uri.starts_with(prefix) {
        errors.not_supported(&path.child("diskURI"), disk.uri, &[example]);
    }
}

/// Names of a StorageOS volume.
pub fn validate_storageos(volume: &str, namespace: &str, path: &Path, errors: &mut ErrorList) {
    if volume.is_empty() {
        errors.required(&path.child("volumeName"), "");
    } else {
        errors.invalid_each(&path.child("volumeName"), volume, names::is_dns1123_label(volume));
    }
    if !namespace.is_empty() {
        errors.invalid_each(&path.child("volumeNamespace"), namespace, names::is_dns1123_label(namespace));
    }
}

/// True when a stored spec projects a token outside of its volume.
pub fn has_non_local_token_path(spec: &PodSpec) -> bool {
    let tokens = spec
        .volumes
        .iter()
        .filter_map(|volume| volume.volume_source.projected.as_ref())
        .flat_map(|projected| &projected.sources)
        .filter_map(|source| source.service_account_token.as_ref());
    tokens.into_iter().any(|token| {
        let mut errors = ErrorList::new();
        paths::validate_unreserved(&token.path, &Path::new("path"), &mut errors);
        !errors.is_empty()
    })
}
