//! The views of a pod: its status, its ephemeral containers, its size.

use super::prepare;
use crate::{Context, View, strategy::ResetFields};
use api_types::core::v1::{Container, Pod};
use machinery::field::{ErrorList, Path};
use rules::{
    addresses,
    core::v1::pod::{fields, resize, status_update, update},
};
use std::collections::BTreeMap;

/// The `status` view.
pub struct Status;

impl View for Status {
    type Kind = Pod;

    fn prepare_for_update(&self, _context: &Context, new: &mut Pod, old: &Pod) {
        fields::align(new);
        new.spec = old.spec.clone();
        new.metadata.deletion_timestamp = None;
        // Old kubelets send owner references back without fields that garbage collection needs.
        new.metadata.owner_references = old.metadata.owner_references.clone();
        if new.status.qos_class.is_empty() {
            new.status.qos_class = old.status.qos_class.clone();
        }
        keep_observed_generations(new, old);
    }

    fn validate_update(&self, _context: &Context, new: &Pod, old: &Pod) -> ErrorList {
        status_update::validate(new, old)
    }

    fn warnings_on_update(&self, _context: &Context, new: &Pod, _old: &Pod) -> Vec<String> {
        let status = Path::new("status");
        let pod = new.status.pod_ips.iter().enumerate().flat_map(|(index, ip)| {
            addresses::ip_warnings(&status.child("podIPs").index(index).child("ip"), &ip.ip)
        });
        let host = new.status.host_ips.iter().enumerate().flat_map(|(index, ip)| {
            addresses::ip_warnings(&status.child("hostIPs").index(index).child("ip"), &ip.ip)
        });
        pod.chain(host).collect()
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]
    }
}

/// Writers that know nothing of observed generations do not erase them.
fn keep_observed_generations(new: &mut Pod, old: &Pod) {
    if new.status.observed_generation == 0 {
        new.status.observed_generation = old.status.observed_generation;
    }
    let mut before: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for condition in old.status.conditions.iter().rev() {
        before.entry(&condition.type_).or_default().push(condition.observed_generation);
    }
    for condition in &mut new.status.conditions {
        let generation = before.get_mut(condition.type_.as_str()).and_then(Vec::pop).unwrap_or(0);
        if condition.observed_generation == 0 {
            condition.observed_generation = generation;
        }
    }
}

/// The `ephemeralcontainers` view.
pub struct EphemeralContainers;

impl View for EphemeralContainers {
    type Kind = Pod;

    fn prepare_for_update(&self, _context: &Context, new: &mut Pod, old: &Pod) {
        let containers = std::mem::take(&mut new.spec.ephemeral_containers);
        new.spec = old.spec.clone();
        new.status = old.status.clone();
        crate::strategy::keep_metadata(&mut new.metadata, &old.metadata);
        new.spec.ephemeral_containers = containers;
        prepare::raise_generation(new, old);
    }

    fn validate_update(&self, _context: &Context, new: &Pod, old: &Pod) -> ErrorList {
        update::validate_ephemeral_containers(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }
}

/// The `resize` view.
pub struct Resize;

/// Old containers with new sizes; `None` when containers came, went or changed places, which validation refuses.
fn resized(new: &[Container], old: &[Container]) -> Option<Vec<Container>> {
    if new.len() != old.len() || new.iter().zip(old).any(|(new, old)| new.name != old.name) {
        return None;
    }
    let merge = |(new, old): (&Container, &Container)| Container {
        resources: new.resources.clone(),
        resize_policy: new.resize_policy.clone(),
        ..old.clone()
    };
    Some(new.iter().zip(old).map(merge).collect())
}

impl View for Resize {
    type Kind = Pod;

    fn prepare_for_update(&self, _context: &Context, new: &mut Pod, old: &Pod) {
        fields::align(new);
        let containers = resized(&new.spec.containers, &old.spec.containers);
        let init_containers = resized(&new.spec.init_containers, &old.spec.init_containers);
        if let (Some(containers), Some(init_containers)) = (containers, init_containers) {
            let resources = new.spec.resources.take();
            new.spec = old.spec.clone();
            new.spec.resources = resources;
            new.spec.containers = containers;
            new.spec.init_containers = init_containers;
            new.status = old.status.clone();
            crate::strategy::keep_metadata(&mut new.metadata, &old.metadata);
        }
        prepare::raise_generation(new, old);
    }

    fn validate_update(&self, _context: &Context, new: &Pod, old: &Pod) -> ErrorList {
        resize::validate(new, old)
    }

    fn reset_fields(&self) -> ResetFields {
        &[&["status"]]
    }
}
