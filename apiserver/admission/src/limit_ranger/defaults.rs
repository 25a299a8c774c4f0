//! What containers get that do not say what they need.

use api_types::core::v1::{Container, LimitRange, Pod, ResourceRequirements};
use rules::core::v1::resource_list::ResourceList;

use super::CONTAINER;

/// Says on the pod which values the plugin added.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Gives the containers and init containers of `pod` the defaults of `range` for what they leave open.
pub(super) fn apply(range: &LimitRange, pod: &mut Pod) {
    let defaults = of_containers(range);
    let spec = &mut pod.spec;
    let mut notes = Vec::new();
    for (containers, word) in
        [(&mut spec.containers, "container"), (&mut spec.init_containers, "init container")]
    {
        for container in containers.iter_mut() {
            complete(container, &defaults, word, &mut notes);
        }
    }
    if !notes.is_empty() {
        let text = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.metadata.annotations.insert(ANNOTATION.to_owned(), text);
    }
}

/// The defaults of all items for containers; later items win.
fn of_containers(range: &LimitRange) -> ResourceRequirements {
    let mut defaults = ResourceRequirements::default();
    for item in range.spec.limits.iter().filter(|item| item.type_ == CONTAINER) {
        defaults.requests.extend(item.default_request.clone());
        defaults.limits.extend(item.default.clone());
    }
    defaults
}

fn complete(container: &mut Container, defaults: &ResourceRequirements, word: &str, notes: &mut Vec<String>) {
    let resources = &mut container.resources;
    let limits = fill(&mut resources.limits, &defaults.limits);
    let requests = fill(&mut resources.requests, &defaults.requests);
    for (names, what) in [(requests, "request"), (limits, "limit")] {
        if !names.is_empty() {
            notes.push(format!("{} {what} for {word} {}", names.join(", "), container.name));
        }
    }
}

/// Adds what is missing; the names that were added, in order.
fn fill<'a>(list: &mut ResourceList, defaults: &'a ResourceList) -> Vec<&'a str> {
    let mut added = Vec::new();
    for (name, quantity) in defaults {
        if !list.contains_key(name) {
            list.insert(name.clone(), quantity.clone());
            added.push(name.as_str());
        }
    }
    added
}
