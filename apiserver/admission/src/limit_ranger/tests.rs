//! Tables of pods, claims and ranges.

use api_types::core::v1::{LimitRange, PersistentVolumeClaim, Pod};
use machinery::Message;
use machinery::field::aggregate_texts;
use serde_json::{Value, json};

use super::{LimitRanger, defaults, limits};
use crate::testing::{Known, create, object, request};
use crate::{Operation, Plugin};

fn range(items: Value) -> LimitRange {
    LimitRange::from_value(&json!({"spec": {"limits": items}})).expect("a limit range")
}

fn pod(spec: Value) -> Pod {
    Pod::from_value(&json!({"spec": spec})).expect("a pod")
}

fn container(name: &str, requests: Value, limits: Value) -> Value {
    json!({"name": name, "resources": {"requests": requests, "limits": limits}})
}

#[test]
fn defaults_fill_what_is_open() {
    let check = |items: Value, spec: Value, resources: Value, annotation: Option<&str>| {
        let mut pod = pod(spec);
        defaults::apply(&range(items), &mut pod);
        let value = pod.to_value();
        let found = value.pointer("/spec/containers/0/resources").cloned().unwrap_or_default();
        assert_eq!(found, resources);
        let text = pod.metadata.annotations.get("kubernetes.io/limit-ranger").map(String::as_str);
        assert_eq!(text, annotation);
    };
    let items = json!([
        {"type": "Pod", "default": {"cpu": "9"}},
        {"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}},
    ]);
    check(
        items.clone(),
        json!({
            "containers": [container("a", json!({}), json!({})), container("b", json!({"cpu": "5"}), json!({"cpu": "5", "memory": "1"}))],
            "initContainers": [container("c", json!({}), json!({"memory": "1"}))],
        }),
        json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}),
        Some(
            "LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a; \
             cpu request for init container c; cpu limit for init container c",
        ),
    );
    let full = json!({"requests": {"cpu": "5"}, "limits": {"cpu": "5", "memory": "1"}});
    let container = container("a", full["requests"].clone(), full["limits"].clone());
    check(items, json!({"containers": [container]}), full, None);
}

fn judge_pod(items: Value, spec: Value, expected: Option<&str>) {
    let errors = limits::of_pod(&range(items), &pod(spec));
    assert_eq!(aggregate_texts(errors), expected.unwrap_or_default());
}

#[test]
fn containers_stay_within_their_limits() {
    let check = |item: Value, requests: Value, bounds: Value, expected: Option<&str>| {
        let mut item = item;
        item["type"] = json!("Container");
        let spec = json!({"containers": [container("a", requests.clone(), bounds.clone())]});
        judge_pod(json!([item]), spec, expected);
        let spec = json!({"initContainers": [container("a", requests, bounds)]});
        judge_pod(json!([item]), spec, expected);
    };
    let cpu = |value: &str| json!({"cpu": value});
    let none = || json!({});
    check(json!({"min": cpu("50m")}), cpu("50m"), cpu("100m"), None);
    check(
        json!({"min": cpu("50m")}),
        none(),
        cpu("100m"),
        Some("minimum cpu usage per Container is 50m.  No request is specified"),
    );
    check(
        json!({"min": cpu("50m")}),
        cpu("40m"),
        none(),
        Some("minimum cpu usage per Container is 50m, but request is 40m"),
    );
    check(
        json!({"min": cpu("50m")}),
        cpu("60m"),
        cpu("40m"),
        Some("minimum cpu usage per Container is 50m, but limit is 40m"),
    );
    check(
        json!({"max": cpu("100m")}),
        cpu("50m"),
        none(),
        Some("maximum cpu usage per Container is 100m.  No limit is specified"),
    );
    check(
        json!({"max": cpu("100m")}),
        none(),
        cpu("1"),
        Some("maximum cpu usage per Container is 100m, but limit is 1"),
    );
    check(
        json!({"max": cpu("100m")}),
        cpu("150m"),
        cpu("100m"),
        Some("maximum cpu usage per Container is 100m, but request is 150m"),
    );
    check(json!({"maxLimitRequestRatio": cpu("1.5")}), cpu("100m"), cpu("150m"), None);
    check(
        json!({"maxLimitRequestRatio": cpu("2")}),
        cpu("1250m"),
        cpu("2501m"),
        Some("cpu max limit to request ratio per Container is 2, but provided ratio is 2.000800"),
    );
    check(
        json!({"maxLimitRequestRatio": cpu("2")}),
        cpu("0"),
        cpu("1"),
        Some(
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    );
    check(
        json!({"maxLimitRequestRatio": cpu("2")}),
        cpu("1"),
        none(),
        Some("cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"),
    );
    check(
        json!({"min": {"cpu": "50m", "memory": "1Mi"}}),
        none(),
        none(),
        Some(
            "[minimum cpu usage per Container is 50m.  No request is specified, \
             minimum memory usage per Container is 1Mi.  No request is specified]",
        ),
    );
    // Too large for thousandths: units are compared.
    check(json!({"max": {"memory": "16Ei"}}), none(), json!({"memory": "8Ei"}), None);
}

#[test]
fn pods_stay_within_their_limits() {
    let memory = |value: &str| json!({"memory": value});
    let item = |max: &str| json!([{"type": "Pod", "max": memory(max)}]);
    let two = json!({"containers": [
        container("a", memory("1Gi"), memory("1Gi")), container("b", memory("1Gi"), memory("1Gi")),
    ]});
    judge_pod(item("2Gi"), two.clone(), None);
    judge_pod(item("1Gi"), two.clone(), Some("maximum memory usage per Pod is 1Gi, but limit is 2Gi"));
    let mut init = two.clone();
    init["initContainers"] = json!([container("c", memory("3Gi"), memory("3Gi"))]);
    judge_pod(item("2Gi"), init, Some("maximum memory usage per Pod is 2Gi, but limit is 3Gi"));
    let mut whole = two;
    whole["resources"] = json!({"limits": {"memory": "512Mi"}, "requests": {"memory": "512Mi"}});
    judge_pod(item("1Gi"), whole, None);
}

#[test]
fn claims_stay_within_their_limits() {
    let check = |item: Value, storage: Option<&str>, expected: Option<&str>| {
        let mut item = item;
        item["type"] = json!("PersistentVolumeClaim");
        let requests = storage.map_or(json!({}), |storage| json!({"storage": storage}));
        let claim =
            PersistentVolumeClaim::from_value(&json!({"spec": {"resources": {"requests": requests}}}))
                .expect("a claim");
        let errors = limits::of_claim(&range(json!([item])), &claim);
        assert_eq!(aggregate_texts(errors), expected.unwrap_or_default());
    };
    let bounds = json!({"min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}});
    check(bounds.clone(), Some("2Gi"), None);
    check(
        bounds.clone(),
        Some("500Mi"),
        Some("minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"),
    );
    check(
        bounds.clone(),
        Some("6Gi"),
        Some("maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"),
    );
    check(
        bounds,
        None,
        Some(
            "[minimum storage usage per PersistentVolumeClaim is 1Gi.  No request is specified, \
             maximum storage usage per PersistentVolumeClaim is 5Gi.  No request is specified]",
        ),
    );
}

#[tokio::test]
async fn the_plugin_completes_and_refuses() {
    let range: LimitRange = object(json!({
        "metadata": {"name": "r", "namespace": "ns"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}}]},
    }));
    let plugin = LimitRanger::new(Known::new().with(range).lookup());
    let in_namespace = |name: &str| -> Pod {
        object(json!({
            "metadata": {"name": "p", "namespace": name}, "spec": {"containers": [{"name": "a"}]},
        }))
    };
    let mut made = create(in_namespace("ns"));
    plugin.admit(&mut made).await.expect("admitted");
    let error = plugin.validate(&made).await.expect_err("too much");
    let expected = "pods \"p\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!((error.code(), error.to_string().as_str()), (403, expected));
    let mut elsewhere = create(in_namespace("other"));
    plugin.admit(&mut elsewhere).await.expect("admitted");
    plugin.validate(&elsewhere).await.expect("nothing to enforce");
    let big: Pod = made.object.as_deref().and_then(|object| object.downcast_ref()).cloned().expect("a pod");
    let mut update = request(Operation::Update, Some(big.clone()), Some(big));
    plugin.validate(&update).await.expect("an update cannot change resources");
    update.subresource = "resize".into();
    plugin.validate(&update).await.expect_err("but a resize can");
}
