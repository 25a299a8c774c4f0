//! Which requests reach which webhooks, without a network.

use api_types::core::v1::{ConfigMap, Namespace};
use machinery::object::Object;
use machinery::{GroupVersionKind, GroupVersionResource, Message};
use serde_json::{Value, json};

use super::hook::Hook;
use super::kinds::Kinds;
use super::matching::{invocation, is_exempt};
use crate::attributes::{Attributes, Operation};
use crate::testing::{Known, create, object, request};

/// Config maps have a second version.
struct TwoVersions;

impl Kinds for TwoVersions {
    fn equivalents(&self, resource: &GroupVersionResource, _: &str) -> Vec<GroupVersionResource> {
        vec![resource.clone(), GroupVersionResource::new("other", "v2", "configmaps")]
    }

    fn kind_of(&self, resource: &GroupVersionResource, _: &str) -> Option<GroupVersionKind> {
        Some(GroupVersionKind::new(resource.group.clone(), resource.version.clone(), "ConfigMap"))
    }

    fn to_value(
        &self,
        _: &GroupVersionResource,
        _: &GroupVersionKind,
        _: &dyn Object,
    ) -> Result<Value, String> {
        Err("not asked for".to_owned())
    }

    fn to_object(
        &self,
        _: &GroupVersionResource,
        _: &str,
        _: &GroupVersionKind,
        _: &Value,
    ) -> Result<Box<dyn Object>, String> {
        Err("not asked for".to_owned())
    }
}

fn hook(more: Value) -> Hook {
    let mut webhook = json!({"name": "w", "matchPolicy": "Exact", "namespaceSelector": {}, "objectSelector": {},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]});
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let value = json!({"metadata": {"name": "c"}, "webhooks": [webhook]});
    let configuration =
        api_types::admissionregistration::v1::MutatingWebhookConfiguration::from_value(&value).unwrap();
    Hook::of_mutating(&configuration).remove(0)
}

fn rule(operation: &str, group: &str, version: &str, resource: &str, scope: &str) -> Value {
    json!({"rules": [{"operations": [operation], "apiGroups": [group], "apiVersions": [version],
        "resources": [resource], "scope": scope}]})
}

fn map() -> Attributes {
    create(object::<ConfigMap>(json!({"metadata": {"name": "m", "namespace": "n", "labels": {"a": "b"}}})))
}

/// `expected` is the group the webhook sees the request in.
#[track_caller]
fn check(more: Value, attributes: &Attributes, expected: Result<Option<&str>, &str>) {
    let namespace = json!({"metadata": {"name": "n", "labels": {"kind": "test"}}});
    let (hook, lookup) = (hook(more.clone()), Known::new().with(object::<Namespace>(namespace)).lookup());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let got = runtime.block_on(invocation(&hook, attributes, &lookup, &TwoVersions));
    let got = got.map(|found| found.map(|found| found.resource.group.to_string()));
    let got = got.map_err(|error| error.status.message.clone());
    assert_eq!(got, expected.map(|found| found.map(str::to_owned)).map_err(str::to_owned), "{more}");
}

#[test]
fn rules_choose_requests() {
    check(json!({}), &map(), Ok(Some("")));
    check(rule("*", "*", "*", "*", "*"), &map(), Ok(Some("")));
    check(rule("*", "*", "*", "*/*", "Namespaced"), &map(), Ok(Some("")));
    check(rule("*", "*", "*", "*/*", "Cluster"), &map(), Ok(None));
    check(rule("DELETE", "", "v1", "configmaps", "*"), &map(), Ok(None));
    check(rule("CREATE", "", "v1", "secrets", "*"), &map(), Ok(None));
    check(rule("CREATE", "", "v1", "configmaps/status", "*"), &map(), Ok(None));
    let mut status = map();
    status.subresource = "status".to_owned();
    check(rule("CREATE", "", "v1", "configmaps", "*"), &status, Ok(None));
    check(rule("CREATE", "", "v1", "*/status", "*"), &status, Ok(Some("")));
    let namespace = create(object::<Namespace>(json!({"metadata": {"name": "new"}})));
    check(rule("*", "", "v1", "namespaces", "Cluster"), &namespace, Ok(Some("")));
    check(rule("*", "", "v1", "namespaces", "Namespaced"), &namespace, Ok(None));
}

#[test]
fn other_versions_count_if_the_webhook_wants_it() {
    let other = rule("CREATE", "other", "v2", "configmaps", "*");
    check(other.clone(), &map(), Ok(None));
    let mut equivalent = other;
    equivalent["matchPolicy"] = json!("Equivalent");
    check(equivalent, &map(), Ok(Some("other")));
}

#[test]
fn labels_choose_requests() {
    let object = |labels: Value| json!({"objectSelector": {"matchLabels": labels}});
    check(object(json!({"a": "b"})), &map(), Ok(Some("")));
    check(object(json!({"a": "c"})), &map(), Ok(None));
    let space = |labels: Value| json!({"namespaceSelector": {"matchLabels": labels}});
    check(space(json!({"kind": "test"})), &map(), Ok(Some("")));
    check(space(json!({"kind": "other"})), &map(), Ok(None));
    let mut lost = map();
    lost.namespace = "lost".to_owned();
    check(space(json!({"kind": "test"})), &lost, Err("namespaces \"lost\" not found"));
    let mut unconcerned = space(json!({"kind": "test"}));
    unconcerned["rules"] = json!([]);
    check(unconcerned, &lost, Ok(None));
    // An update that takes the label away is still seen.
    let old = object_of(json!({"a": "b"}));
    let update = request(Operation::Update, Some(object_of(json!({}))), Some(old));
    let mut more = rule("UPDATE", "", "v1", "configmaps", "*");
    more["objectSelector"] = json!({"matchLabels": {"a": "b"}});
    check(more, &update, Ok(Some("")));
}

fn object_of(labels: Value) -> ConfigMap {
    object(json!({"metadata": {"name": "m", "namespace": "n", "labels": labels}}))
}

#[test]
fn configurations_of_webhooks_are_out_of_reach() {
    let mut attributes = map();
    assert!(!is_exempt(&attributes));
    attributes.kind =
        GroupVersionKind::new("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration");
    assert!(is_exempt(&attributes));
}
