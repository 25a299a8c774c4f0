//! Quality of service class of a pod.
//!
//! Source: `pkg/apis/core/v1/helper/qos`.

use crate::core::v1::resource_list::{self, ResourceList};
use api_types::core::v1::Pod;
use std::cmp::Ordering;

/// Class of pods whose every container has equal requests and limits of cpu and memory.
pub const GUARANTEED: &str = "Guaranteed";
/// Class of pods between the other two.
pub const BURSTABLE: &str = "Burstable";
/// Class of pods that ask for nothing.
pub const BEST_EFFORT: &str = "BestEffort";

/// The class in the status, or else the computed one.
pub fn class(pod: &Pod) -> &str {
    if pod.status.qos_class.is_empty() { computed(pod) } else { &pod.status.qos_class }
}

fn compute_resources(list: &ResourceList) -> ResourceList {
    list.iter()
        .filter(|(name, quantity)| matches!(name.as_str(), "cpu" | "memory") && quantity.sign() == 1)
        .map(|(name, quantity)| (name.clone(), quantity.clone()))
        .collect()
}

/// The class as requests and limits define it; ephemeral containers do not count.
pub fn computed(pod: &Pod) -> &'static str {
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    let mut guaranteed = true;
    if let Some(resources) = &pod.spec.resources {
        requests = compute_resources(&resources.requests);
        limits = compute_resources(&resources.limits);
        if !resources.limits.is_empty() && limits.len() < 2 {
            guaranteed = false;
        }
    } else {
        for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
            resource_list::add(&mut requests, &compute_resources(&container.resources.requests));
            let limit = compute_resources(&container.resources.limits);
            if limit.len() < 2 {
                guaranteed = false;
            }
            resource_list::add(&mut limits, &limit);
        }
    }
    if requests.is_empty() && limits.is_empty() {
        return BEST_EFFORT;
    }
    let equal = requests.len() == limits.len()
        && requests.iter().all(|(name, request)| {
            limits.get(name).is_some_and(|limit| limit.compare(request) == Ordering::Equal)
        });
    if guaranteed && equal { GUARANTEED } else { BURSTABLE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::core::v1::{Container, ResourceRequirements};
    use machinery::Quantity;

    fn list(cpu: &str, memory: &str) -> ResourceList {
        [("cpu", cpu), ("memory", memory)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), Quantity(value.to_owned())))
            .collect()
    }

    fn check(containers: &[(ResourceList, ResourceList)], expected: &str) {
        let mut pod = Pod::default();
        for (requests, limits) in containers {
            let resources = ResourceRequirements {
                requests: requests.clone(),
                limits: limits.clone(),
                ..Default::default()
            };
            pod.spec.containers.push(Container { resources, ..Default::default() });
        }
        assert_eq!(computed(&pod), expected, "{containers:?}");
    }

    #[test]
    fn classes() {
        check(&[(list("", ""), list("", ""))], BEST_EFFORT);
        check(&[(list("100m", "1Gi"), list("100m", "1Gi"))], GUARANTEED);
        check(&[(list("0.1", "1024Mi"), list("100m", "1Gi"))], GUARANTEED);
        check(&[(list("100m", ""), list("", ""))], BURSTABLE);
        check(&[(list("100m", "1Gi"), list("200m", "1Gi"))], BURSTABLE);
        check(&[(list("100m", "1Gi"), list("100m", "1Gi")), (list("", ""), list("", ""))], BURSTABLE);
        check(&[(list("0", "0"), list("", ""))], BEST_EFFORT);
    }
}
