//! Validation of changes to the resources of a running pod.

use super::{meaning, qos, resources, update::rules, validation::validate_metadata_and_spec};
use crate::{core::v1::resource_list::ResourceList, meta, report::Report};
use api_types::core::v1::{Pod, PodSpec, ResourceRequirements};
use machinery::field::{ErrorList, Path};

fn removed(new: &ResourceList, old: &ResourceList) -> bool {
    old.keys().any(|name| !new.contains_key(name))
}

fn with_old_compute(requirements: &mut ResourceRequirements, old: &ResourceRequirements) {
    for (list, old) in [(&mut requirements.limits, &old.limits), (&mut requirements.requests, &old.requests)]
    {
        for name in ["cpu", "memory"] {
            list.remove(name);
            if let Some(quantity) = old.get(name) {
                list.insert(name.to_owned(), quantity.clone());
            }
        }
    }
}

/// Changed requests and limits of cpu and memory.
pub fn validate(new: &Pod, old: &Pod) -> ErrorList {
    let mut errors = meta::validate_update(&new.metadata, &old.metadata, &Path::new("metadata"));
    errors.extend(validate_metadata_and_spec(new, &rules(old)));
    let refused = if meaning::is_mirror(old) {
        Some("static pods cannot be resized")
    } else if old.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        Some("windows pods cannot be resized")
    } else {
        None
    };
    if let Some(refused) = refused {
        let mut errors = ErrorList::new();
        errors.forbidden(&Path::new(""), refused);
        return errors;
    }
    let path = Path::new("spec");
    if qos::class(old) != qos::computed(new) {
        errors.invalid(&path, &new.status.qos_class, "Pod QOS Class may not change as a result of resizing");
    }
    let running = old.status.container_statuses.iter().find(|status| status.state.running.is_some());
    if running.is_some_and(|status| status.resources.is_none()) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    let mut rest = new.spec.clone();
    validate_pod_level_resize(&mut rest, &old.spec, &path, &mut errors);
    if !old.status.node_allocatable_resource_claim_statuses.is_empty() {
        errors.forbidden(&path, "pods with node allocatable resource claims cannot be resized");
    }
    let before = errors.len();
    for (field, now, was) in [
        ("containers", &new.spec.containers, &old.spec.containers),
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ] {
        if now.len() != was.len() {
            errors.forbidden(&path.child(field), format!("{field} may not be added or removed on resize"));
            continue;
        }
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            if now.name != was.name {
                errors.forbidden(
                    &path.child(field).index(index).child("name"),
                    format!("{field} may not be renamed or reordered on resize"),
                );
            }
        }
    }
    if errors.len() > before {
        return errors;
    }
    for (field, now, was) in [
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
        ("containers", &new.spec.containers, &old.spec.containers),
    ] {
        for (index, (now, was)) in now.iter().zip(was).enumerate() {
            let path = path.child(field).index(index).child("resources");
            if removed(&now.resources.requests, &was.resources.requests) {
                errors.forbidden(&path.child("requests"), "resource requests cannot be removed");
            }
            if removed(&now.resources.limits, &was.resources.limits) {
                errors.forbidden(&path.child("limits"), "resource limits cannot be removed");
            }
        }
    }
    for (now, was) in rest.containers.iter_mut().zip(&old.spec.containers) {
        with_old_compute(&mut now.resources, &was.resources);
        if now != was {
            errors.forbidden(&path, "only cpu and memory resources are mutable");
        }
    }
    for (index, (now, was)) in rest.init_containers.iter_mut().zip(&old.spec.init_containers).enumerate() {
        let path = path.child("initContainers").index(index);
        let changed = now != was;
        with_old_compute(&mut now.resources, &was.resources);
        if now != was {
            errors
                .forbidden(&path, "only cpu and memory resources for init or sidecar containers are mutable");
        }
        let restarting =
            now.resize_policy.iter().filter(|policy| policy.restart_policy == "RestartContainer").count();
        if changed && !resources::is_sidecar(now) {
            for _ in 0..restarting {
                errors.forbidden(
                    &path,
                    "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
                );
            }
        }
    }
    if errors.is_empty() && rest != old.spec {
        errors.forbidden(&path, "only cpu and memory resources are mutable");
    }
    errors
}

fn validate_pod_level_resize(new: &mut PodSpec, old: &PodSpec, path: &Path, errors: &mut ErrorList) {
    let set = |spec: &PodSpec| {
        spec.resources
            .as_ref()
            .is_some_and(|resources| !resources.requests.is_empty() || !resources.limits.is_empty())
    };
    if !set(new) && !set(old) {
        return;
    }
    if old.resources.is_some() && new.resources.is_none() {
        errors.forbidden(&path.child("resources"), "pod-level resources cannot be removed");
        return;
    }
    if let (Some(now), Some(was)) = (&new.resources, &old.resources) {
        if removed(&now.requests, &was.requests) {
            errors.forbidden(
                &path.child("resources").child("requests"),
                "pod-level resource requests cannot be removed",
            );
        }
        if removed(&now.limits, &was.limits) {
            errors.forbidden(
                &path.child("resources").child("limits"),
                "pod-level resource limits cannot be removed",
            );
        }
    }
    let nothing = ResourceRequirements::default();
    if let Some(now) = &mut new.resources {
        with_old_compute(now, old.resources.as_deref().unwrap_or(&nothing));
        if old.resources.is_none() && **now == nothing {
            new.resources = None;
        }
    }
    if new.resources != old.resources {
        errors.forbidden(path, "only cpu and memory resources are mutable at pod-level");
    }
}
