//! Which pod is evicted first, and what its user is told.

use std::collections::BTreeMap;

use api_types::core::v1::Pod;
use machinery::Quantity;
use machinery::quantity::Format;
use rules::core::v1::pod::resources;

use super::{Observations, Signal, Threshold};
use crate::pod;

/// What a pod uses of the resource in question, by container; `None` when nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodConsumption {
    /// Bytes, inodes or processes.
    pub total: u64,
    /// Bytes by container name, for the message.
    pub containers: BTreeMap<String, u64>,
}

/// The pods in the order of their eviction: those that use more than they asked for, then lower priorities, then those
/// that exceed their request by more. Critical pods are not in the list.
pub fn rank<'a, P: AsRef<Pod>>(
    pods: &'a [P],
    signal: Signal,
    consumption: &BTreeMap<String, PodConsumption>,
) -> Vec<&'a P> {
    let mut list: Vec<&P> = pods.iter().filter(|pod| !pod::is_critical(pod.as_ref())).collect();
    list.sort_by_key(|candidate| {
        let pod = candidate.as_ref();
        let used = consumption.get(&pod.metadata.uid);
        let request = request(pod, signal.resource());
        let over = used.map_or(i128::MAX, |used| i128::from(used.total) - i128::from(request));
        // Nothing measured: first to go. Requests count for what can be requested at all.
        let within = used.is_some_and(|used| i128::from(used.total) <= i128::from(request));
        let within = within && matches!(signal.resource(), "memory" | "ephemeral-storage");
        (used.is_some(), within, pod.spec.priority.unwrap_or(0), std::cmp::Reverse(over))
    });
    list
}

fn request(pod: &Pod, resource: &str) -> i64 {
    resources::requests(pod, resources::Accounting::default()).get(resource).map_or(0, Quantity::value)
}

/// The message of the evicted pod's status and event.
pub fn eviction_message(
    pod: &Pod,
    threshold: &Threshold,
    observations: &Observations,
    consumption: Option<&PodConsumption>,
) -> String {
    let resource = threshold.signal.resource();
    let mut message = format!("The node was low on resource: {resource}. ");
    let quantity = |value: u64| {
        let format = if resource == "memory" || resource == "ephemeral-storage" {
            Format::BinarySi
        } else {
            Format::DecimalSi
        };
        Quantity::new(i64::try_from(value).unwrap_or(i64::MAX), format).0
    };
    if let Some(observation) = observations.get(&threshold.signal) {
        message.push_str(&format!(
            "Threshold quantity: {}, available: {}. ",
            quantity(threshold.value.of(observation.capacity)),
            quantity(observation.available)
        ));
    }
    if !matches!(resource, "memory" | "ephemeral-storage") {
        return message;
    }
    for (name, used) in consumption.iter().flat_map(|consumption| &consumption.containers) {
        let Some(container) = pod
            .spec
            .containers
            .iter()
            .chain(&pod.spec.init_containers)
            .find(|container| container.name == *name)
        else {
            continue;
        };
        let requested = container.resources.requests.get(resource);
        let value = requested.map_or(0, Quantity::value);
        if i128::from(*used) > i128::from(value) {
            message.push_str(&format!(
                "Container {name} was using {}, request is {}, has larger consumption of {resource}. ",
                quantity(*used),
                requested.map_or("0", |quantity| quantity.0.as_str())
            ));
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::eviction::{Amount, Observation};
    use crate::testing::pod;

    fn named(name: &str, priority: i32, request: &str) -> Box<Pod> {
        let mut pod = pod(&format!(
            r#"{{"priority":{priority},"containers":[{{"name":"c","resources":{{"requests":{{"memory":"{request}"}}}}}}]}}"#
        ));
        pod.metadata.uid = name.into();
        Box::new(pod)
    }

    #[test]
    fn who_goes_first() {
        let pods = [
            named("within", 0, "100"),
            named("over-important", 10, "10"),
            named("over-a-bit", 0, "10"),
            named("over-a-lot", 0, "10"),
            named("unknown", 100, "10"),
            named("critical", 2_000_000_000, "10"),
        ];
        let used = [
            ("within", 50),
            ("over-important", 500),
            ("over-a-bit", 20),
            ("over-a-lot", 90),
            ("critical", 900),
        ];
        let consumption = used
            .iter()
            .map(|(name, total)| {
                ((*name).to_owned(), PodConsumption { total: *total, ..PodConsumption::default() })
            })
            .collect();
        let order: Vec<&str> = rank(&pods, Signal::MemoryAvailable, &consumption)
            .iter()
            .map(|pod| pod.metadata.uid.as_str())
            .collect();
        assert_eq!(order, ["unknown", "over-a-lot", "over-a-bit", "over-important", "within"]);
    }

    #[test]
    fn messages() {
        let threshold = Threshold {
            signal: Signal::MemoryAvailable,
            value: Amount::Quantity(100 << 20),
            grace: Duration::ZERO,
            minimum_reclaim: None,
        };
        let observations =
            [(Signal::MemoryAvailable, Observation { available: 50 << 20, capacity: 1 << 30 })].into();
        let consumption = PodConsumption { total: 0, containers: [("c".to_owned(), 30 << 20)].into() };
        assert_eq!(
            eviction_message(&named("a", 0, "10Mi"), &threshold, &observations, Some(&consumption)),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using \
             30Mi, request is 10Mi, has larger consumption of memory. "
        );
    }
}
