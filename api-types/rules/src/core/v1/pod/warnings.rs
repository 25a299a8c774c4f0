//! Warnings about pods that are accepted but unlikely to do what their author wants.
//!
//! Source: `pkg/api/pod/warnings.go`.

use super::containers;
use crate::core::v1::resource_list::ResourceList;
use api_types::core::v1::{Pod, PodSpec, PodTemplateSpec};
use machinery::{field::Path, meta::v1::ObjectMeta};
use std::collections::BTreeSet;

/// Warnings about a pod.
pub fn of_pod(pod: &Pod) -> Vec<String> {
    of(&Path::new("spec"), &Path::new("metadata"), &pod.metadata, &pod.spec)
}

/// Warnings about a template at `path`.
pub fn of_template(path: &Path, template: &PodTemplateSpec) -> Vec<String> {
    of(&path.child("spec"), &path.child("metadata"), &template.metadata, &template.spec)
}

const NODE_LABELS: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];

/// What is wrong with a label of nodes that has another name today.
pub fn label_warning(key: &str) -> Option<&'static str> {
    NODE_LABELS.iter().find(|(label, _)| *label == key).map(|(_, warning)| *warning)
}

fn fractional_bytes(path: &Path, list: &ResourceList, warnings: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        if let Some(quantity) = list.get(name).filter(|quantity| quantity.milli_value() % 1000 != 0) {
            warnings.push(format!(
                "{}: fractional byte value {:?} is invalid, must be an integer",
                path.key(name),
                quantity.to_string()
            ));
        }
    }
}

fn of(spec_path: &Path, meta_path: &Path, meta: &ObjectMeta, spec: &PodSpec) -> Vec<String> {
    let mut warnings = Vec::new();
    for key in spec.node_selector.keys() {
        if let Some(warning) = label_warning(key) {
            warnings.push(format!("{}: {warning}", spec_path.child("nodeSelector").key(key)));
        }
    }
    for (index, constraint) in spec.topology_spread_constraints.iter().enumerate() {
        let path = spec_path.child("topologySpreadConstraints").index(index);
        if let Some(warning) = label_warning(&constraint.topology_key) {
            warnings.push(format!("{}: {} is {warning}", path.child("topologyKey"), constraint.topology_key));
        }
        if constraint.label_selector.is_none() {
            warnings.push(format!(
                "{}: a null labelSelector results in matching no pod",
                path.child("labelSelector")
            ));
        }
    }
    for (old, new) in
        [("scheduler.alpha.kubernetes.io/critical-pod", "use the \"priorityClassName\" field instead")]
    {
        if meta.annotations.contains_key(old) {
            warnings.push(format!(
                "{}: non-functional in v1.16+; {new}",
                meta_path.child("annotations").key(old)
            ));
        }
    }
    let mut aliases = BTreeSet::new();
    for (index, alias) in spec.host_aliases.iter().enumerate() {
        let path = spec_path.child("hostAliases").index(index);
        warnings.extend(crate::addresses::ip_warnings(&path.child("ip"), &alias.ip));
        if !aliases.insert(&alias.ip) {
            warnings.push(format!("{path}: duplicate ip {:?}", alias.ip));
        }
    }
    let mut secrets = BTreeSet::new();
    for (index, secret) in spec.image_pull_secrets.iter().enumerate() {
        let path = spec_path.child("imagePullSecrets").index(index);
        if secret.name.is_empty() {
            warnings.push(format!("{}: invalid empty name {:?}", path.child("name"), ""));
        } else if !secrets.insert(&secret.name) {
            warnings.push(format!("{}: duplicate name {:?}", path.child("name"), secret.name));
        }
    }
    for (index, volume) in spec.volumes.iter().enumerate() {
        let path = spec_path.child("volumes").index(index);
        let source = &volume.volume_source;
        for (field, used, since) in [
            (
                "photonPersistentDisk",
                source.photon_persistent_disk.is_some(),
                "deprecated in v1.11, non-functional in v1.16+",
            ),
            ("gitRepo", source.git_repo.is_some(), "deprecated in v1.11, and disabled by default in v1.33+"),
            ("scaleIO", source.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
            ("flocker", source.flocker.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("storageOS", source.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("quobyte", source.quobyte.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("glusterfs", source.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
            ("cephfs", source.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
            ("rbd", source.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
        ] {
            if used {
                warnings.push(format!("{}: {since}", path.child(field)));
            }
        }
        if let Some(template) =
            source.ephemeral.as_ref().and_then(|ephemeral| ephemeral.volume_claim_template.as_ref())
        {
            let path = path.child("ephemeral").child("volumeClaimTemplate").child("spec").child("resources");
            fractional_storage(
                &path,
                &template.spec.resources.requests,
                &template.spec.resources.limits,
                &mut warnings,
            );
        }
    }
    of_containers(spec_path, spec, &mut warnings);
    fractional_bytes(&spec_path.child("overhead"), &spec.overhead, &mut warnings);
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        let path = spec_path.child("terminationGracePeriodSeconds");
        warnings.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    warnings
}

/// Warnings about fractional storage sizes.
pub fn fractional_storage(
    path: &Path,
    requests: &ResourceList,
    limits: &ResourceList,
    warnings: &mut Vec<String>,
) {
    for (field, list) in [("requests", requests), ("limits", limits)] {
        if let Some(quantity) = list.get("storage").filter(|quantity| quantity.milli_value() % 1000 != 0) {
            let path = path.child(field).key("storage");
            warnings.push(format!(
                "{path}: fractional byte value {:?} is invalid, must be an integer",
                quantity.to_string()
            ));
        }
    }
}

fn of_containers(spec_path: &Path, spec: &PodSpec, warnings: &mut Vec<String>) {
    for (container, path) in containers::each(spec, spec_path) {
        let resources = path.child("resources");
        fractional_bytes(&resources.child("limits"), &container.resources.limits, warnings);
        fractional_bytes(&resources.child("requests"), &container.resources.requests, warnings);
        let mut seen: Vec<&str> = Vec::new();
        for (index, variable) in container.env.iter().enumerate() {
            let path = path.child("env").index(index);
            // Repeating a name on purpose refers to the earlier value.
            if seen.contains(&variable.name.as_str())
                && !variable.value.contains(&format!("$({})", variable.name))
            {
                warnings.push(
                    format!(
                        "{path}: hides previous definition of {:?}, which may be unexpected results",
                        variable.name
                    )
                    .replace("which may be unexpected results", "which may be dropped when using apply"),
                );
            }
            seen.push(&variable.name);
        }
        let mut ports = BTreeSet::new();
        for (index, port) in container.ports.iter().enumerate() {
            let path = path.child("ports").index(index);
            if !ports.insert((port.container_port, &port.protocol)) {
                warnings.push(format!(
                    "{path}: duplicate port definition with {}",
                    path_of_first_port(&container.ports, index, spec_path)
                ));
            }
        }
    }
}

fn path_of_first_port(ports: &[api_types::core::v1::ContainerPort], index: usize, _spec: &Path) -> String {
    let Some(port) = ports.get(index) else { return String::new() };
    let first = ports
        .iter()
        .position(|other| other.container_port == port.container_port && other.protocol == port.protocol)
        .unwrap_or(0);
    format!("ports[{first}]")
}
