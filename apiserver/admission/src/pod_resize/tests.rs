//! Pods that grow on nodes of all kinds.

use serde_json::{Value, json};

use super::*;
use crate::testing::{Known, object, request};

fn world() -> Known {
    let node = |name: &str, system: &str, features: Value| -> Node {
        object(json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/os": system}},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}, "declaredFeatures": features},
        }))
    };
    Known::new().with(node("linux", "linux", json!(["InPlacePodLevelResourcesVerticalScaling"]))).with(node(
        "windows",
        "windows",
        json!([]),
    ))
}

fn pod(node: &str, generation: i64, cpu: &str) -> Value {
    let requests = json!({"requests": {"cpu": cpu, "memory": "512Mi"}});
    json!({
        "metadata": {"name": "p", "namespace": "ns", "generation": generation},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": requests}]},
    })
}

fn update(subresource: &str, old: Value, new: Value) -> Attributes {
    let mut attributes = request::<Pod>(Operation::Update, Some(object(new)), Some(object(old)));
    attributes.subresource = subresource.to_owned();
    attributes
}

async fn resize(node: &str, generation: i64, cpu: &str) -> Result<(), StatusError> {
    let plugin = PodResizeValidator::new(world().lookup());
    plugin.validate(&update("resize", pod(node, 1, "1"), pod(node, generation, cpu))).await
}

#[tokio::test]
async fn pods_grow_to_what_their_node_has() {
    assert_eq!(resize("linux", 2, "2").await, Ok(()));
    assert_eq!(resize("linux", 1, "3").await, Ok(()), "nothing changes");
    assert_eq!(resize("", 2, "3").await, Ok(()), "the pod is not bound");
    let refused = resize("linux", 2, "2500m").await.unwrap_err();
    let expected = "pods \"p\" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2500, \
                    allocatable: 2000";
    assert_eq!(refused.to_string(), expected);
    assert!(refused.has_cause("NodeCapacity"));
    let refused = resize("windows", 2, "2").await.unwrap_err();
    let expected = "pods \"p\" is forbidden: pod resize is only supported on linux nodes, node \"windows\" is \"windows\"";
    assert_eq!(refused.to_string(), expected);
    assert!(refused.has_cause("UnsupportedPlatform"));
    let refused = resize("gone", 2, "2").await.unwrap_err().to_string();
    assert_eq!(refused, "pods \"p\" is forbidden: node \"gone\" not found");
}

#[tokio::test]
async fn changes_need_what_nodes_declare() {
    let plugin = NodeDeclaredFeatureValidator::new(world().lookup());
    let ask = async |node: &str, change: fn(&mut Value)| {
        let (old, mut new) = (pod(node, 1, "1"), pod(node, 2, "1"));
        change(&mut new);
        plugin.validate(&update("resize", old, new)).await.err().map(|error| error.to_string())
    };
    let of_pod: fn(&mut Value) = |pod| pod["spec"]["resources"] = json!({"requests": {"cpu": "2"}});
    assert_eq!(ask("linux", of_pod).await, None);
    let expected = "pods \"p\" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling which \
                    are not available on node \"windows\"";
    assert_eq!(ask("windows", of_pod).await.as_deref(), Some(expected));
    assert_eq!(ask("windows", |pod| pod["metadata"]["labels"] = json!({"a": "b"})).await, None);
}

#[test]
fn init_containers_that_end_need_a_feature_of_their_own() {
    let pod = |restart: Value, cpu: &str| -> Pod {
        let container =
            json!({"name": "i", "restartPolicy": restart, "resources": {"requests": {"cpu": cpu}}});
        object(json!({"spec": {"initContainers": [container]}}))
    };
    let needed = features_of_change(&pod(Value::Null, "2"), &pod(Value::Null, "1"));
    assert_eq!(needed, ["InPlacePodVerticalScalingInitContainers"]);
    assert!(features_of_change(&pod(json!("Always"), "2"), &pod(json!("Always"), "1")).is_empty());
}
