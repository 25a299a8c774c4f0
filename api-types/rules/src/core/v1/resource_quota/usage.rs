//! How much of a quota an object uses, for admission and for the controller that recounts.
//!
//! Source: `pkg/quota/v1/evaluator/core`.

use api_types::core::v1::{
    PersistentVolumeClaim, Pod, PodAffinityTerm, ResourceQuota, ScopedResourceSelectorRequirement, Service,
};
use api_types::resource::v1::ResourceClaim;
use machinery::Quantity;
use std::collections::BTreeSet;

use crate::core::v1::pod::qos;
use crate::core::v1::pod::resources::{Accounting, limits, requests};
use crate::core::v1::resource_list::{
    HUGE_PAGES_PREFIX, REQUESTS_PREFIX, ResourceList, add, is_extended, raise,
};

/// Suffix of quota on one storage class: `<class>.storageclass.storage.k8s.io/requests.storage`.
pub const STORAGE_CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";
/// Annotation older than `spec.storageClassName`.
const STORAGE_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// How claims of devices are counted.
pub const DEVICE_CLAIM_COUNT: &str = "count/resourceclaims.resource.k8s.io";
/// Suffix of quota on the devices of one class: `<class>.deviceclass.resource.k8s.io/devices`.
pub const DEVICE_CLASS_SUFFIX: &str = ".deviceclass.resource.k8s.io/devices";
/// Prefix of the resource by which pods ask for devices of a class.
pub const DEVICE_CLASS_RESOURCE_PREFIX: &str = "deviceclass.resource.kubernetes.io/";
/// Most devices one claim can get, which is what a request for all of them may come to.
const MOST_DEVICES: i64 = 32;
/// Core resources that may be counted by their bare name.
pub const BARE_COUNTS: [&str; 4] = ["configmaps", "secrets", "replicationcontrollers", "resourcequotas"];

/// A plain number.
pub(super) fn number(value: usize) -> Quantity {
    Quantity(value.to_string())
}

fn one(names: &[&str]) -> ResourceList {
    names.iter().map(|name| ((*name).to_owned(), number(1))).collect()
}

/// What a pod uses: one that ended, or should be gone by now, only counts as an object.
pub fn of_pod(pod: &Pod, now: jiff::Timestamp) -> ResourceList {
    let mut used = one(&["count/pods"]);
    if !counts(pod, now) {
        return used;
    }
    used.insert("pods".to_owned(), number(1));
    let how = Accounting { use_status: true, ..Accounting::default() };
    for (name, quantity) in requests(pod, how) {
        match name.as_str() {
            "cpu" | "memory" | "ephemeral-storage" => {
                used.insert(format!("{REQUESTS_PREFIX}{name}"), quantity.clone());
                used.insert(name, quantity);
            }
            _ if name.starts_with(HUGE_PAGES_PREFIX) => {
                used.insert(format!("{REQUESTS_PREFIX}{name}"), quantity.clone());
                used.insert(name, quantity);
            }
            _ if is_extended(&name) || name.starts_with(DEVICE_CLASS_RESOURCE_PREFIX) => {
                used.insert(format!("{REQUESTS_PREFIX}{name}"), quantity);
            }
            _ => {}
        }
    }
    for (name, quantity) in limits(pod, how) {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), quantity);
        }
    }
    used
}

/// True when the pod holds compute resources.
pub fn counts(pod: &Pod, now: jiff::Timestamp) -> bool {
    if matches!(pod.status.phase.as_str(), "Failed" | "Succeeded") {
        return false;
    }
    match (pod.metadata.deletion_timestamp, pod.metadata.deletion_grace_period_seconds) {
        (Some(deleted), Some(grace)) => now.as_second() <= deleted.seconds.saturating_add(grace),
        _ => true,
    }
}

/// What a service uses.
pub fn of_service(service: &Service) -> ResourceList {
    let mut used = one(&["count/services", "services"]);
    let ports = &service.spec.ports;
    let (balancers, node_ports) = match service.spec.type_.as_str() {
        "NodePort" => (0, ports.len()),
        // Ports are counted before they are allocated: what is intended decides.
        "LoadBalancer" if service.spec.allocate_load_balancer_node_ports == Some(false) => {
            (1, ports.iter().filter(|port| port.node_port != 0).count())
        }
        "LoadBalancer" => (1, ports.len()),
        _ => (0, 0),
    };
    used.insert("services.loadbalancers".to_owned(), number(balancers));
    used.insert("services.nodeports".to_owned(), number(node_ports));
    used
}

/// What a claim of storage uses.
pub fn of_claim(claim: &PersistentVolumeClaim) -> ResourceList {
    let mut used = one(&["count/persistentvolumeclaims", "persistentvolumeclaims"]);
    let annotated = claim.metadata.annotations.get(STORAGE_CLASS_ANNOTATION);
    let class = annotated.or(claim.spec.storage_class_name.as_ref()).filter(|class| !class.is_empty());
    if let Some(class) = class {
        used.insert(format!("{class}{STORAGE_CLASS_SUFFIX}persistentvolumeclaims"), number(1));
    }
    if let Some(wanted) = claim.spec.resources.requests.get("storage") {
        // A shrunk request does not give back what an expansion already took.
        let allocated = claim.status.allocated_resources.get("storage");
        let storage = allocated.filter(|allocated| allocated.compare(wanted).is_gt()).unwrap_or(wanted);
        let storage = whole_bytes(storage);
        if let Some(class) = class {
            used.insert(format!("{class}{STORAGE_CLASS_SUFFIX}requests.storage"), storage.clone());
        }
        used.insert("requests.storage".to_owned(), storage);
    }
    used
}

/// Quotas hold whole bytes.
fn whole_bytes(quantity: &Quantity) -> Quantity {
    match quantity.amount().map(|amount| amount.round_up(0)) {
        Ok((rounded, false)) => rounded.into(),
        _ => quantity.clone(),
    }
}

/// What a claim of devices uses: of alternatives the one that takes most of a class.
pub fn of_device_claim(claim: &ResourceClaim) -> ResourceList {
    let mut used = one(&[DEVICE_CLAIM_COUNT]);
    for request in &claim.spec.devices.requests {
        let mut most = ResourceList::new();
        for choice in &request.first_available {
            let devices = devices(&choice.allocation_mode, choice.count);
            // A class that is asked for none of is not counted.
            if devices.sign() == 1 {
                let name = format!("{}{DEVICE_CLASS_SUFFIX}", choice.device_class_name);
                raise(&mut most, &ResourceList::from([(name, devices)]));
            }
        }
        if let Some(exactly) = request.exactly.as_deref().filter(|_| request.first_available.is_empty()) {
            let name = format!("{}{DEVICE_CLASS_SUFFIX}", exactly.device_class_name);
            most.insert(name, devices(&exactly.allocation_mode, exactly.count));
        }
        add(&mut used, &most);
    }
    used
}

fn devices(mode: &str, count: i64) -> Quantity {
    let number = match mode {
        "ExactCount" => count,
        "All" => MOST_DEVICES,
        _ => 0,
    };
    Quantity(number.to_string())
}

/// The names under which one object of any other resource is counted.
pub fn count_names(group: &str, plural: &str) -> Vec<String> {
    let full = if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") };
    let bare = (group.is_empty() && BARE_COUNTS.contains(&plural)).then(|| plural.to_owned());
    std::iter::once(full).chain(bare).collect()
}

/// Every scope of a quota as a requirement.
pub fn scopes(quota: &ResourceQuota) -> Vec<ScopedResourceSelectorRequirement> {
    let bare = quota.spec.scopes.iter().map(|scope| ScopedResourceSelectorRequirement {
        scope_name: scope.clone(),
        operator: "Exists".to_owned(),
        ..ScopedResourceSelectorRequirement::default()
    });
    let selected =
        quota.spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().cloned());
    bare.chain(selected).collect()
}

/// True when the pod is within all scopes of the quota.
pub fn scopes_match_pod(quota: &ResourceQuota, pod: &Pod) -> bool {
    scopes(quota).iter().all(|scope| scope_matches_pod(scope, pod))
}

/// True when the pod is within the scope.
pub fn scope_matches_pod(scope: &ScopedResourceSelectorRequirement, pod: &Pod) -> bool {
    let terminating = pod.spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0);
    match scope.scope_name.as_str() {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => qos::computed(pod) == qos::BEST_EFFORT,
        "NotBestEffort" => qos::computed(pod) != qos::BEST_EFFORT,
        "PriorityClass" => {
            selects(scope, Some(pod.spec.priority_class_name.as_str()).filter(|name| !name.is_empty()))
        }
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

/// True when the claim is within all scopes of the quota.
pub fn scopes_match_claim(quota: &ResourceQuota, claim: &PersistentVolumeClaim) -> bool {
    scopes(quota).iter().all(|scope| scope_matches_claim(scope, claim))
}

/// True when the claim is within the scope; only its classes of volume attributes can be one.
pub fn scope_matches_claim(scope: &ScopedResourceSelectorRequirement, claim: &PersistentVolumeClaim) -> bool {
    let names = attributes_classes(claim);
    scope.scope_name == "VolumeAttributesClass"
        && if names.is_empty() {
            selects(scope, None)
        } else {
            names.iter().any(|name| selects(scope, Some(name)))
        }
}

/// The classes of volume attributes that the claim has, wants, or is on its way to.
pub fn attributes_classes(claim: &PersistentVolumeClaim) -> BTreeSet<&str> {
    let wanted = claim.spec.volume_attributes_class_name.as_deref();
    let current = claim.status.current_volume_attributes_class_name.as_deref();
    let target = claim
        .status
        .modify_volume_status
        .as_deref()
        .map(|status| status.target_volume_attributes_class_name.as_str());
    [wanted, current, target].into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

fn selects(scope: &ScopedResourceSelectorRequirement, value: Option<&str>) -> bool {
    let listed = value.is_some_and(|value| scope.values.iter().any(|known| known == value));
    match scope.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// True when pods of other namespaces keep this one away or draw it on.
pub fn crosses_namespaces(pod: &Pod) -> bool {
    let crosses = |term: &PodAffinityTerm| !term.namespaces.is_empty() || term.namespace_selector.is_some();
    let Some(affinity) = pod.spec.affinity.as_deref() else { return false };
    let near = affinity.pod_affinity.as_deref().is_some_and(|near| {
        near.required_during_scheduling_ignored_during_execution.iter().any(crosses)
            || near
                .preferred_during_scheduling_ignored_during_execution
                .iter()
                .any(|term| crosses(&term.pod_affinity_term))
    });
    let far = affinity.pod_anti_affinity.as_deref().is_some_and(|far| {
        far.required_during_scheduling_ignored_during_execution.iter().any(crosses)
            || far
                .preferred_during_scheduling_ignored_during_execution
                .iter()
                .any(|term| crosses(&term.pod_affinity_term))
    });
    near || far
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::{Container, ScopeSelector, ServicePort};
    use machinery::Message;
    use serde_json::json;

    use super::*;

    fn texts(list: &ResourceList) -> Vec<String> {
        list.iter().map(|(name, quantity)| format!("{name}={}", quantity.0)).collect()
    }

    fn pod(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Pod {
        let list = |pairs: &[(&str, &str)]| -> ResourceList {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect()
        };
        let mut container = Container::default();
        (container.resources.requests, container.resources.limits) = (list(requests), list(limits));
        let mut pod = Pod::default();
        pod.spec.containers = vec![container];
        pod
    }

    #[test]
    fn pods_use_what_they_ask_for() {
        let now = jiff::Timestamp::from_second(1000).expect("in range");
        let mut busy =
            pod(&[("cpu", "1"), ("x.io/gpu", "2"), ("hugepages-2Mi", "4Mi")], &[("memory", "1Gi")]);
        let expected = [
            "count/pods=1",
            "cpu=1",
            "hugepages-2Mi=4Mi",
            "limits.memory=1Gi",
            "pods=1",
            "requests.cpu=1",
            "requests.hugepages-2Mi=4Mi",
            "requests.x.io/gpu=2",
        ];
        assert_eq!(texts(&of_pod(&busy, now)), expected);
        busy.metadata.deletion_timestamp = Some(machinery::Time { seconds: 990, nanos: 0 });
        busy.metadata.deletion_grace_period_seconds = Some(30);
        assert_eq!(texts(&of_pod(&busy, now)).len(), expected.len());
        busy.metadata.deletion_grace_period_seconds = Some(5);
        assert_eq!(texts(&of_pod(&busy, now)), ["count/pods=1"]);
        busy = Pod::default();
        busy.status.phase = "Succeeded".into();
        assert_eq!(texts(&of_pod(&busy, now)), ["count/pods=1"]);
    }

    #[test]
    fn services_use_ports() {
        let check = |kind: &str, allocates: Option<bool>, balancers: &str, node_ports: &str| {
            let mut service = Service::default();
            service.spec.type_ = kind.into();
            service.spec.allocate_load_balancer_node_ports = allocates;
            service.spec.ports =
                vec![ServicePort::default(), ServicePort { node_port: 30000, ..ServicePort::default() }];
            let used = of_service(&service);
            assert_eq!(
                (used["services.loadbalancers"].0.as_str(), used["services.nodeports"].0.as_str()),
                (balancers, node_ports),
                "{kind}"
            );
        };
        check("ClusterIP", None, "0", "0");
        check("NodePort", None, "0", "2");
        check("LoadBalancer", None, "1", "2");
        check("LoadBalancer", Some(false), "1", "1");
    }

    #[test]
    fn claims_use_storage_of_their_class() {
        let mut claim = PersistentVolumeClaim::default();
        claim.spec.storage_class_name = Some("fast".into());
        claim.spec.resources.requests.insert("storage".into(), Quantity("1Gi".into()));
        claim.status.allocated_resources.insert("storage".into(), Quantity("2Gi".into()));
        assert_eq!(
            texts(&of_claim(&claim)),
            [
                "count/persistentvolumeclaims=1",
                "fast.storageclass.storage.k8s.io/persistentvolumeclaims=1",
                "fast.storageclass.storage.k8s.io/requests.storage=2Gi",
                "persistentvolumeclaims=1",
                "requests.storage=2Gi",
            ]
        );
        assert_eq!(count_names("", "secrets"), ["count/secrets", "secrets"]);
        assert_eq!(count_names("apps", "deployments"), ["count/deployments.apps"]);
    }

    #[test]
    fn claims_use_devices_of_their_class() {
        let claim = ResourceClaim::from_value(&json!({"spec": {"devices": {"requests": [
            {"name": "a", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2}},
            {"name": "b", "exactly": {"deviceClassName": "nic", "allocationMode": "All"}},
            {"name": "c", "firstAvailable": [
                {"name": "x", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1},
                {"name": "y", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 3},
                {"name": "z", "deviceClassName": "fpga", "allocationMode": "ExactCount", "count": 1},
            ]},
        ]}}}))
        .expect("a claim");
        assert_eq!(
            texts(&of_device_claim(&claim)),
            [
                "count/resourceclaims.resource.k8s.io=1",
                "fpga.deviceclass.resource.k8s.io/devices=1",
                "gpu.deviceclass.resource.k8s.io/devices=5",
                "nic.deviceclass.resource.k8s.io/devices=32",
            ]
        );
    }

    #[test]
    fn storage_is_counted_in_whole_bytes() {
        let mut claim = PersistentVolumeClaim::default();
        claim.spec.resources.requests.insert("storage".into(), Quantity("1500m".into()));
        assert_eq!(of_claim(&claim)["requests.storage"].0, "2");
    }

    #[test]
    fn scopes_choose_pods() {
        let check = |scope: (&str, &str, &[&str]), pod: &Pod, expected: bool| {
            let requirement = ScopedResourceSelectorRequirement {
                scope_name: scope.0.into(),
                operator: scope.1.into(),
                values: scope.2.iter().map(|value| (*value).to_owned()).collect(),
            };
            let mut quota = ResourceQuota::default();
            quota.spec.scope_selector =
                Some(Box::new(ScopeSelector { match_expressions: vec![requirement] }));
            assert_eq!(scopes_match_pod(&quota, pod), expected, "{scope:?}");
        };
        let mut important = pod(&[("cpu", "1")], &[]);
        important.spec.priority_class_name = "high".into();
        check(("PriorityClass", "In", &["high"]), &important, true);
        check(("PriorityClass", "NotIn", &["high"]), &important, false);
        check(("PriorityClass", "Exists", &[]), &pod(&[], &[]), false);
        check(("PriorityClass", "NotIn", &["high"]), &pod(&[], &[]), true);
        check(("NotBestEffort", "Exists", &[]), &important, true);
        check(("BestEffort", "Exists", &[]), &pod(&[], &[]), true);
        check(("NotTerminating", "Exists", &[]), &important, true);
        important.spec.active_deadline_seconds = Some(60);
        check(("Terminating", "Exists", &[]), &important, true);
        check(("CrossNamespacePodAffinity", "Exists", &[]), &important, false);
    }
}
