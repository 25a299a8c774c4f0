//! What the restricted level forbids besides, or asks for.

use std::collections::BTreeSet;

use api_types::core::v1::VolumeSource;

use super::baseline::{self, seccomp_confines};
use super::subject::{Finding, Subject, containers, note, plural, quoted, setters};

/// Programs that gain rights.
pub(super) fn privilege_escalation(subject: Subject<'_>) -> Option<Finding> {
    let names = subject.containers_where(|container| {
        container.security.and_then(|context| context.allow_privilege_escalation) != Some(false)
    });
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
    Finding::new("allowPrivilegeEscalation != false", detail)
}

/// The same, but Windows knows no such thing.
pub(super) fn privilege_escalation_1_25(subject: Subject<'_>) -> Option<Finding> {
    if subject.is_windows() { None } else { privilege_escalation(subject) }
}

/// Any capability but that to bind low ports.
pub(super) fn capabilities(subject: Subject<'_>) -> Option<Finding> {
    let of = |security: Option<&'_ api_types::core::v1::SecurityContext>, dropped: bool| -> Vec<String> {
        let capabilities = security.and_then(|context| context.capabilities.as_deref());
        let lists =
            capabilities.map(|capabilities| if dropped { &capabilities.drop } else { &capabilities.add });
        lists.cloned().unwrap_or_default()
    };
    let keeping =
        subject.containers_where(|container| !of(container.security, true).iter().any(|name| name == "ALL"));
    let mut added = BTreeSet::new();
    let adding = subject.containers_where(|container| {
        let names = of(container.security, false);
        let bad = names.iter().filter(|name| *name != "NET_BIND_SERVICE");
        bad.fold(false, |_, name| note(&mut added, Some(name)))
    });
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details
            .push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    }
    if !adding.is_empty() {
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&adding),
            quoted(added)
        ));
    }
    if details.is_empty() { None } else { Finding::new("unrestricted capabilities", details.join("; ")) }
}

/// The same, but Windows knows no such thing.
pub(super) fn capabilities_1_25(subject: Subject<'_>) -> Option<Finding> {
    if subject.is_windows() { None } else { capabilities(subject) }
}

/// A `/proc` without masks, even in a user namespace.
pub(super) fn proc_mount(subject: Subject<'_>) -> Option<Finding> {
    baseline::proc_mount(subject)
}

/// Volumes that are neither of the pod nor claimed.
pub(super) fn volumes(subject: Subject<'_>) -> Option<Finding> {
    let mut kinds = BTreeSet::new();
    let names: Vec<&str> = subject
        .spec
        .volumes
        .iter()
        .filter(|volume| note(&mut kinds, restricted_kind(&volume.volume_source)))
        .map(|volume| volume.name.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let volumes = plural("volume", "volumes", names.len());
    let uses = plural("uses", "use", names.len());
    let word = plural("restricted volume type", "restricted volume types", kinds.len());
    let detail = format!("{volumes} {} {uses} {word} {}", quoted(names), quoted(kinds));
    Finding::new("restricted volume types", detail)
}

/// The field of a source that is not for everybody; `None` for those that are.
fn restricted_kind(source: &VolumeSource) -> Option<&'static str> {
    let harmless = source.config_map.is_some()
        || source.csi.is_some()
        || source.downward_api.is_some()
        || source.empty_dir.is_some()
        || source.ephemeral.is_some()
        || source.image.is_some()
        || source.persistent_volume_claim.is_some()
        || source.projected.is_some()
        || source.secret.is_some();
    if harmless {
        return None;
    }
    let kinds = [
        (source.host_path.is_some(), "hostPath"),
        (source.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (source.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (source.git_repo.is_some(), "gitRepo"),
        (source.nfs.is_some(), "nfs"),
        (source.iscsi.is_some(), "iscsi"),
        (source.glusterfs.is_some(), "glusterfs"),
        (source.rbd.is_some(), "rbd"),
        (source.flex_volume.is_some(), "flexVolume"),
        (source.cinder.is_some(), "cinder"),
        (source.cephfs.is_some(), "cephfs"),
        (source.flocker.is_some(), "flocker"),
        (source.fc.is_some(), "fc"),
        (source.azure_file.is_some(), "azureFile"),
        (source.vsphere_volume.is_some(), "vsphereVolume"),
        (source.quobyte.is_some(), "quobyte"),
        (source.azure_disk.is_some(), "azureDisk"),
        (source.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (source.portworx_volume.is_some(), "portworxVolume"),
        (source.scale_io.is_some(), "scaleIO"),
        (source.storageos.is_some(), "storageos"),
    ];
    Some(kinds.into_iter().find(|(set, _)| *set).map_or("unknown", |(_, kind)| kind))
}

/// Containers that may run as root.
pub(super) fn run_as_non_root(subject: Subject<'_>) -> Option<Finding> {
    let of_pod = subject.security().and_then(|context| context.run_as_non_root);
    let of =
        |container: super::subject::Held<'_>| container.security.and_then(|context| context.run_as_non_root);
    let root = subject.containers_where(|container| of(container) == Some(false));
    let reason = "runAsNonRoot != true";
    if let Some(who) = setters(of_pod == Some(false), &root) {
        return Finding::new(reason, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let open = subject.containers_where(|container| of(container).is_none() && of_pod != Some(true));
    if open.is_empty() {
        return None;
    }
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&open));
    Finding::new(reason, detail)
}

/// The same, but in a user namespace root does no harm.
pub(super) fn run_as_non_root_1_35(subject: Subject<'_>) -> Option<Finding> {
    if subject.has_user_namespace() { None } else { run_as_non_root(subject) }
}

/// Containers that ask to run as root.
pub(super) fn run_as_user(subject: Subject<'_>) -> Option<Finding> {
    let pod = subject.security().is_some_and(|context| context.run_as_user == Some(0));
    let names = subject.containers_where(|container| {
        container.security.is_some_and(|context| context.run_as_user == Some(0))
    });
    let who = setters(pod, &names)?;
    Finding::new("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

/// The same, but in a user namespace root does no harm.
pub(super) fn run_as_user_1_35(subject: Subject<'_>) -> Option<Finding> {
    if subject.has_user_namespace() { None } else { run_as_user(subject) }
}

/// Containers that no profile of seccomp confines.
pub(super) fn seccomp(subject: Subject<'_>) -> Option<Finding> {
    if let Some(finding) = baseline::seccomp(subject) {
        return Some(finding);
    }
    let of_pod = subject.security().and_then(|context| context.seccomp_profile.as_deref());
    let confined = of_pod.is_some_and(|profile| seccomp_confines(&profile.type_));
    let open = subject.containers_where(|container| {
        let profile = container.security.and_then(|context| context.seccomp_profile.as_deref());
        profile.is_none() && !confined
    });
    if open.is_empty() {
        return None;
    }
    Finding::new(
        "seccompProfile",
        format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&open)
        ),
    )
}

/// The same, but Windows knows no such thing.
pub(super) fn seccomp_1_25(subject: Subject<'_>) -> Option<Finding> {
    if subject.is_windows() { None } else { seccomp(subject) }
}
