//! Which names of a quota a resource counts under, and what an object of it uses of them.
//!
//! Source: `pkg/quota/v1/evaluator/core`, `k8s.io/apiserver/pkg/quota/v1/generic`.

use std::collections::{BTreeMap, BTreeSet};

use api_types::core::v1::{
    Container, PersistentVolumeClaim, Pod, ScopedResourceSelectorRequirement, Service,
};
use api_types::resource::v1::ResourceClaim;
use machinery::object::Object;

use super::usage;
use crate::core::v1::pod::resources::has_pod_level;
use crate::core::v1::resource_list::{HUGE_PAGES_PREFIX, REQUESTS_PREFIX, ResourceList, is_native};

/// Compute resources of pods that each container must state once a quota names them.
const STATED_BY_CONTAINERS: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
/// What pods use besides huge pages and extended resources.
const OF_PODS: [&str; 11] = [
    "count/pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
const OF_SERVICES: [&str; 4] = ["count/services", "services", "services.nodeports", "services.loadbalancers"];
const OF_CLAIMS: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];

/// How objects of a resource are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluator {
    /// Pods: compute resources until they end.
    Pods,
    /// Services: ports and load balancers.
    Services,
    /// Claims of storage, by class.
    Claims,
    /// Claims of devices, by class.
    DeviceClaims,
    /// Everything else: the number of objects, under these names.
    Count(Vec<String>),
}

impl Evaluator {
    /// How objects of this resource are measured.
    pub fn of(group: &str, plural: &str) -> Evaluator {
        match (group, plural) {
            ("", "pods") => Evaluator::Pods,
            ("", "services") => Evaluator::Services,
            ("", "persistentvolumeclaims") => Evaluator::Claims,
            ("resource.k8s.io", "resourceclaims") => Evaluator::DeviceClaims,
            _ => Evaluator::Count(usage::count_names(group, plural)),
        }
    }

    /// True when objects of the resource may use something of this name.
    pub fn tracks(&self, name: &str) -> bool {
        match self {
            Evaluator::Pods => {
                OF_PODS.contains(&name) || is_huge_page_of_quota(name) || is_extended_of_quota(name)
            }
            Evaluator::Services => OF_SERVICES.contains(&name),
            Evaluator::Claims => {
                name == "count/persistentvolumeclaims"
                    || OF_CLAIMS.contains(&name)
                    || OF_CLAIMS.iter().any(|of_class| {
                        let class = name.strip_suffix(of_class);
                        class.is_some_and(|class| class.ends_with(usage::STORAGE_CLASS_SUFFIX))
                    })
            }
            Evaluator::DeviceClaims => {
                name == usage::DEVICE_CLAIM_COUNT || name.ends_with(usage::DEVICE_CLASS_SUFFIX)
            }
            Evaluator::Count(names) => names.iter().any(|known| known == name),
        }
    }

    /// What the object uses; nothing when it is of another kind than the evaluator's.
    pub fn usage(&self, object: &dyn Object, now: jiff::Timestamp) -> ResourceList {
        match self {
            Evaluator::Pods => {
                object.downcast_ref().map(|pod: &Pod| usage::of_pod(pod, now)).unwrap_or_default()
            }
            Evaluator::Services => {
                object.downcast_ref::<Service>().map(usage::of_service).unwrap_or_default()
            }
            Evaluator::Claims => {
                object.downcast_ref::<PersistentVolumeClaim>().map(usage::of_claim).unwrap_or_default()
            }
            Evaluator::DeviceClaims => {
                object.downcast_ref::<ResourceClaim>().map(usage::of_device_claim).unwrap_or_default()
            }
            Evaluator::Count(names) => names.iter().map(|name| (name.clone(), usage::number(1))).collect(),
        }
    }

    /// True when the object is within the scope; only pods and claims of storage are within any.
    pub fn scope_matches(&self, scope: &ScopedResourceSelectorRequirement, object: &dyn Object) -> bool {
        match self {
            Evaluator::Pods => object.downcast_ref().is_some_and(|pod| usage::scope_matches_pod(scope, pod)),
            Evaluator::Claims => {
                object.downcast_ref().is_some_and(|claim| usage::scope_matches_claim(scope, claim))
            }
            _ => false,
        }
    }

    /// True when the scopes of limits by default and of quotas matter for the resource.
    pub fn has_scopes(&self) -> bool {
        matches!(self, Evaluator::Pods | Evaluator::Claims)
    }

    /// What the object must say for a quota on `names`, if it does not: `must specify cpu for: a; …`.
    pub fn unstated<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        object: &dyn Object,
    ) -> Option<String> {
        let pod = object.downcast_ref::<Pod>().filter(|pod| !has_pod_level(pod))?;
        let required: BTreeSet<&str> =
            names.into_iter().filter(|name| STATED_BY_CONTAINERS.contains(name)).collect();
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
            for name in required.iter().filter(|name| !states(container, name)) {
                missing.entry(name).or_default().insert(&container.name);
            }
        }
        let texts: Vec<String> = missing
            .into_iter()
            .map(|(name, containers)| {
                let containers: Vec<&str> = containers.into_iter().collect();
                format!("{name} for: {}", containers.join(","))
            })
            .collect();
        (!texts.is_empty()).then(|| format!("must specify {}", texts.join("; ")))
    }
}

fn states(container: &Container, name: &str) -> bool {
    match name.strip_prefix("limits.") {
        Some(name) => container.resources.limits.contains_key(name),
        None => {
            let name = name.strip_prefix(REQUESTS_PREFIX).unwrap_or(name);
            container.resources.requests.contains_key(name)
        }
    }
}

fn is_huge_page_of_quota(name: &str) -> bool {
    name.strip_prefix(REQUESTS_PREFIX).unwrap_or(name).starts_with(HUGE_PAGES_PREFIX)
}

/// Extended resources are counted as `requests.<name>` only.
fn is_extended_of_quota(name: &str) -> bool {
    name.strip_prefix(REQUESTS_PREFIX)
        .is_some_and(|rest| !is_native(name) || rest.starts_with(usage::DEVICE_CLASS_RESOURCE_PREFIX))
}

#[cfg(test)]
mod tests {
    use machinery::Message;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_belong_to_resources() {
        let check = |group: &str, plural: &str, yes: &[&str], no: &[&str]| {
            let evaluator = Evaluator::of(group, plural);
            assert!(yes.iter().all(|name| evaluator.tracks(name)), "{plural}: {yes:?}");
            assert!(!no.iter().any(|name| evaluator.tracks(name)), "{plural}: {no:?}");
        };
        check(
            "",
            "pods",
            &["pods", "limits.cpu", "hugepages-2Mi", "requests.hugepages-2Mi", "requests.x.io/gpu"],
            &["services", "x.io/gpu", "requests.storage", "requests.kubernetes.io/x"],
        );
        check("", "services", &["services.nodeports"], &["pods"]);
        check(
            "",
            "persistentvolumeclaims",
            &["requests.storage", "gold.storageclass.storage.k8s.io/requests.storage"],
            &["gold.storageclass.storage.k8s.io/other", "pods"],
        );
        check("", "secrets", &["secrets", "count/secrets"], &["count/configmaps"]);
        check("apps", "deployments", &["count/deployments.apps"], &["deployments", "count/deployments"]);
        check(
            "resource.k8s.io",
            "resourceclaims",
            &["count/resourceclaims.resource.k8s.io", "gpu.deviceclass.resource.k8s.io/devices"],
            &["pods"],
        );
    }

    #[test]
    fn containers_state_what_is_counted() {
        let pod = |spec: serde_json::Value| Pod::from_value(&json!({ "spec": spec })).expect("a pod");
        let check = |names: &[&str], pod: &Pod, expected: Option<&str>| {
            let found = Evaluator::Pods.unstated(names.iter().copied(), pod);
            assert_eq!(found.as_deref(), expected);
        };
        let asks = json!({"requests": {"cpu": "1"}});
        let partly = pod(json!({
            "containers": [{"name": "b"}, {"name": "a"}, {"name": "c", "resources": asks}],
        }));
        check(&["pods", "requests.x.io/gpu"], &partly, None);
        check(
            &["requests.cpu", "limits.memory", "pods"],
            &partly,
            Some("must specify limits.memory for: a,b,c; requests.cpu for: a,b"),
        );
        let whole = pod(json!({"containers": [{"name": "a"}], "resources": asks}));
        check(&["requests.cpu", "limits.memory"], &whole, None);
    }
}
