//! Tables of requests and quotas, and the plugin over a small world.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service};
use async_trait::async_trait;
use machinery::object::Object;
use machinery::status::StatusError;
use machinery::{GroupResource, GroupVersionResource};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::check::{Refusal, Request, check};
use super::*;
use crate::lookup::Objects;
use crate::testing::{create, object, request};

fn quota(name: &str, hard: Value, used: Value) -> ResourceQuota {
    object(json!({
        "metadata": {"name": name, "namespace": "ns", "resourceVersion": "1"},
        "spec": {"hard": hard}, "status": {"hard": hard, "used": used},
    }))
}

fn with_spec(mut quota: ResourceQuota, spec: Value) -> ResourceQuota {
    quota.spec = object::<ResourceQuota>(json!({ "spec": spec })).spec;
    quota
}

fn pod(resources: Value) -> Pod {
    object(json!({
        "metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [{"name": "c", "resources": resources}]},
    }))
}

fn small() -> Pod {
    pod(json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "200m"}}))
}

/// Afterwards used amounts by quota name, or the refusal.
fn judge(
    quotas: &[ResourceQuota],
    object: &dyn Object,
    old: Option<&dyn Object>,
    limited: &[LimitedResource],
) -> Result<BTreeMap<String, String>, Refusal> {
    let (group, plural) = match object.kind().kind.as_ref() {
        "Pod" => ("", "pods"),
        "Service" => ("", "services"),
        "PersistentVolumeClaim" => ("", "persistentvolumeclaims"),
        _ => ("", "secrets"),
    };
    let request = Request {
        evaluator: &Evaluator::of(group, plural),
        resource: GroupResource::new(group, plural),
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        subresource: "",
        object,
        old,
        now: "2026-01-01T00:00:00Z".parse().expect("a time"),
    };
    let after = check(quotas, &request, limited)?;
    let text = |used: &ResourceList| {
        used.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
    };
    Ok(after.iter().map(|(index, used)| (quotas[*index].metadata.name.clone(), text(used))).collect())
}

fn allowed(quotas: &[ResourceQuota], object: &dyn Object, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, used)| ((*name).to_owned(), (*used).to_owned())).collect();
    assert_eq!(judge(quotas, object, None, &[]), Ok(expected));
}

fn refused_with(quotas: &[ResourceQuota], object: &dyn Object, expected: &str) {
    assert_eq!(judge(quotas, object, None, &[]), Err(Refusal::Forbidden(expected.to_owned())));
}

#[test]
fn pods_are_charged_until_the_quota_is_spent() {
    let hard = json!({"pods": "2", "requests.cpu": "250m", "limits.cpu": "1"});
    let room = quota("room", hard.clone(), json!({"pods": "1", "requests.cpu": "100m", "limits.cpu": "0"}));
    allowed(&[room], &small(), &[("room", "limits.cpu=200m,pods=2,requests.cpu=200m")]);
    let spent = quota("spent", hard, json!({"pods": "2", "requests.cpu": "200m", "limits.cpu": "200m"}));
    refused_with(
        &[spent],
        &small(),
        "exceeded quota: spent, requested: pods=1,requests.cpu=100m, used: pods=2,requests.cpu=200m, \
         limited: pods=2,requests.cpu=250m",
    );
    // What is over already does not hinder what does not use it.
    let over = quota("over", json!({"pods": "2", "services": "1"}), json!({"pods": "1", "services": "3"}));
    allowed(&[over], &small(), &[("over", "pods=2,services=3")]);
    let others = quota("others", json!({"services": "1"}), json!({"services": "1"}));
    allowed(&[others], &small(), &[]);
}

#[test]
fn what_a_quota_counts_must_be_stated() {
    let hard = json!({"limits.memory": "1Gi", "requests.cpu": "1"});
    let zero = json!({"limits.memory": "0", "requests.cpu": "0"});
    refused_with(
        &[quota("q", hard.clone(), zero)],
        &small(),
        "failed quota: q: must specify limits.memory for: c",
    );
    let whole = pod(json!({"requests": {"cpu": "1"}, "limits": {"memory": "1"}}));
    refused_with(
        &[quota("q", hard, json!({}))],
        &whole,
        "status unknown for quota: q, resources: limits.memory,requests.cpu",
    );
    let negative = pod(json!({"requests": {"cpu": "-1"}}));
    refused_with(
        &[quota("q", json!({"pods": "1"}), json!({"pods": "0"}))],
        &negative,
        "quota usage is negative for resource(s): cpu,requests.cpu",
    );
}

#[test]
fn scopes_choose_the_quotas() {
    let plain = || quota("q", json!({"pods": "1"}), json!({"pods": "1"}));
    let effort = with_spec(plain(), json!({"scopes": ["BestEffort"]}));
    allowed(&[effort.clone()], &small(), &[]);
    let exceeded = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
    refused_with(&[effort], &pod(json!({})), exceeded);
    let important = with_spec(
        plain(),
        json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]},
        ]}}),
    );
    allowed(&[important.clone()], &small(), &[]);
    let mut high = small();
    high.spec.priority_class_name = "high".into();
    refused_with(&[important], &high, exceeded);
}

#[test]
fn updates_are_charged_for_what_they_add() {
    let service = |kind: &str, ports: usize| -> Service {
        let ports: Vec<Value> = (0..ports).map(|port| json!({"port": port + 1})).collect();
        object(json!({
            "metadata": {"name": "s", "namespace": "ns", "resourceVersion": "5"},
            "spec": {"type": kind, "ports": ports},
        }))
    };
    let hard = json!({"services": "1", "services.nodeports": "2", "services.loadbalancers": "0"});
    let used = json!({"services": "1", "services.nodeports": "0", "services.loadbalancers": "0"});
    let quotas = [quota("q", hard, used)];
    let judge = |new: &Service, old: &Service| judge(&quotas, new, Some(old), &[]);
    let opened = judge(&service("NodePort", 2), &service("ClusterIP", 2)).expect("room");
    assert_eq!(opened["q"], "services=1,services.loadbalancers=0,services.nodeports=2");
    assert_eq!(judge(&service("ClusterIP", 2), &service("NodePort", 2)), Ok(BTreeMap::new()));
    let refusal = judge(&service("LoadBalancer", 3), &service("ClusterIP", 3)).expect_err("no room");
    let expected = "exceeded quota: q, requested: services.loadbalancers=1,services.nodeports=3, \
                    used: services.loadbalancers=0,services.nodeports=0, \
                    limited: services.loadbalancers=0,services.nodeports=2";
    assert_eq!(refusal, Refusal::Forbidden(expected.to_owned()));
    // A quota that did not cover the old object is charged for all of the new one.
    let effort =
        with_spec(quota("q", json!({"pods": "2"}), json!({"pods": "1"})), json!({"scopes": ["Terminating"]}));
    let mut old = small();
    old.metadata.resource_version = "5".into();
    let mut new = old.clone();
    new.spec.active_deadline_seconds = Some(5);
    assert_eq!(super::tests::judge(&[effort], &new, Some(&old), &[]).expect("room")["q"], "pods=2");
}

#[test]
fn claims_and_counts_are_charged() {
    let claim: PersistentVolumeClaim = object(json!({
        "metadata": {"name": "c", "namespace": "ns"},
        "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "2Gi"}}},
    }));
    let name = "gold.storageclass.storage.k8s.io/requests.storage";
    let gold = quota("gold", json!({name: "3Gi"}), json!({name: "2Gi"}));
    let expected =
        format!("exceeded quota: gold, requested: {name}=2Gi, used: {name}=2Gi, limited: {name}=3Gi");
    refused_with(&[gold], &claim, &expected);
    let secret: Secret = object(json!({"metadata": {"name": "s", "namespace": "ns"}}));
    let counted = quota(
        "q",
        json!({"secrets": "1", "count/secrets": "5"}),
        json!({"secrets": "1", "count/secrets": "1"}),
    );
    refused_with(
        &[counted],
        &secret,
        "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1",
    );
}

#[test]
fn some_things_need_a_quota() {
    let value = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "ResourceQuotaConfiguration",
        "limitedResources": [{"resource": "pods", "matchContains": ["requests.cpu"], "matchScopes": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]},
        ]}],
    });
    let limited = Configuration::read(value).expect("valid").limited_resources;
    let judge = |quotas: &[ResourceQuota], pod: &Pod| judge(quotas, pod, None, &limited);
    let refusal = Refusal::Forbidden("insufficient quota to consume: requests.cpu".to_owned());
    assert_eq!(judge(&[], &small()), Err(refusal));
    assert_eq!(judge(&[], &pod(json!({}))), Ok(BTreeMap::new()));
    let mut high = pod(json!({}));
    high.spec.priority_class_name = "high".into();
    let refusal = "insufficient quota to match these scopes: [{PriorityClass In [high]}]";
    assert_eq!(judge(&[], &high), Err(Refusal::Failed(refusal.to_owned())));
    let cpu = quota("q", json!({"requests.cpu": "1"}), json!({"requests.cpu": "0"}));
    assert_eq!(judge(&[cpu], &small()).expect("covered")["q"], "requests.cpu=100m");
}

#[test]
fn configurations_are_read_strictly() {
    let check = |value: Value, expected: &str| {
        assert_eq!(Configuration::read(value).expect_err("refused").to_string(), expected);
    };
    let head = |limited: Value| {
        json!({
            "apiVersion": "resourcequota.admission.k8s.io/v1beta1", "kind": "Configuration",
            "limitedResources": limited,
        })
    };
    check(head(json!([{"apiGroup": "apps"}])), "limitedResources[0].resource: Required value");
    check(
        head(json!([{"resource": "pods", "matchAll": true}])),
        "limitedResources[0].matchAll: unknown field `matchAll`, expected one of `apiGroup`, `resource`, \
         `matchContains`, `matchScopes`",
    );
    check(
        head(
            json!([{"resource": "pods", "matchScopes": [{"scopeName": "PriorityClass", "operator": "Is"}]}]),
        ),
        "limitedResources[0].matchScopes[0].operator: Unsupported value: \"Is\": supported values: \"In\", \
         \"NotIn\", \"Exists\", \"DoesNotExist\"",
    );
    check(
        json!({"apiVersion": "v1", "kind": "Configuration"}),
        "no kind \"Configuration\" is registered for version \"v1\"; accepted: ResourceQuotaConfiguration of \
         apiserver.config.k8s.io/v1, Configuration of resourcequota.admission.k8s.io/v1beta1, Configuration of \
         resourcequota.admission.k8s.io/v1alpha1",
    );
}

/// One quota: as the cache has it, and as the store has it.
struct World {
    cached: Mutex<ResourceQuota>,
    stored: Mutex<ResourceQuota>,
}

impl World {
    fn new(quota: ResourceQuota) -> Arc<World> {
        Arc::new(World { cached: Mutex::new(quota.clone()), stored: Mutex::new(quota) })
    }

    fn plugin(self: &Arc<World>) -> ResourceQuotas {
        ResourceQuotas::new(Lookup::new(self.clone()), self.clone(), Configuration::default())
    }

    fn used(&self) -> String {
        self.stored.lock().status.used["pods"].0.clone()
    }
}

#[async_trait]
impl Objects for World {
    async fn cached(
        &self,
        _: &GroupVersionResource,
        _: &str,
        _: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        Ok(Some(Box::new(self.cached.lock().clone())))
    }

    async fn live(
        &self,
        _: &GroupVersionResource,
        _: &str,
        _: &str,
    ) -> Result<Option<Box<dyn Object>>, StatusError> {
        Ok(Some(Box::new(self.stored.lock().clone())))
    }

    async fn list(&self, _: &GroupVersionResource, _: &str) -> Result<Vec<Box<dyn Object>>, StatusError> {
        Ok(vec![Box::new(self.cached.lock().clone())])
    }
}

#[async_trait]
impl QuotaStatus for World {
    async fn replace(&self, mut quota: ResourceQuota) -> Result<ResourceQuota, StatusError> {
        let mut stored = self.stored.lock();
        if stored.metadata.resource_version != quota.metadata.resource_version {
            return Err(StatusError::conflict(&GroupResource::new("", "resourcequotas"), "q", "changed"));
        }
        let version: u64 = quota.metadata.resource_version.parse().expect("a number");
        quota.metadata.resource_version = (version + 1).to_string();
        *stored = quota.clone();
        Ok(quota)
    }
}

fn two_pods() -> ResourceQuota {
    quota("q", json!({"pods": "2"}), json!({"pods": "0"}))
}

#[tokio::test]
async fn the_plugin_charges_and_refuses() {
    let world = World::new(two_pods());
    let plugin = world.plugin();
    let mut dry = create(small());
    dry.dry_run = true;
    plugin.validate(&dry).await.expect("room");
    assert_eq!(world.used(), "0");
    // The cache stays behind: own writes are known all the same.
    plugin.validate(&create(small())).await.expect("room");
    plugin.validate(&create(small())).await.expect("room");
    assert_eq!(world.used(), "2");
    let error = plugin.validate(&create(small())).await.expect_err("no room");
    let expected =
        "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    assert_eq!((error.code(), error.to_string().as_str()), (403, expected));
    // An update of a pod changes nothing.
    let update = request(Operation::Update, Some(small()), Some(small()));
    plugin.validate(&update).await.expect("not charged");
}

#[tokio::test]
async fn a_lost_race_is_run_again() {
    let world = World::new(two_pods());
    let plugin = world.plugin();
    let mut other = two_pods();
    other.metadata.resource_version = "7".into();
    other.status.used.insert("pods".into(), machinery::Quantity("1".into()));
    *world.stored.lock() = other;
    plugin.validate(&create(small())).await.expect("room");
    assert_eq!(world.used(), "2");
    let world = World::new(two_pods());
    let plugin = world.plugin();
    let mut full = quota("q", json!({"pods": "2"}), json!({"pods": "2"}));
    full.metadata.resource_version = "7".into();
    *world.stored.lock() = full;
    let error = plugin.validate(&create(small())).await.expect_err("spent meanwhile");
    assert_eq!(error.code(), 403);
}
