//! Names, field validation, managed fields, views, scale, graceful deletion and the bodies that are refused.

use serde_json::{Value, json};

use super::world::{CONFIG_MAPS, World, config_map};

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

#[tokio::test]
async fn names_are_generated() {
    let world = World::new();
    let mut map = config_map("", "k", "v");
    map["metadata"] = json!({"generateName": "gen-"});
    let made = world.post(CONFIG_MAPS, &map).await.expect(201);
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("gen-") && name.len() == 9, "{name}");
    let again = world.post(CONFIG_MAPS, &map).await.expect(201);
    assert_ne!(again["metadata"]["name"], made["metadata"]["name"]);
    map["metadata"] = json!({});
    let (code, message) = world.post(CONFIG_MAPS, &map).await.failure();
    assert_eq!(code, 422);
    assert!(message.contains("metadata.name: Required value: name or generateName is required"), "{message}");
}

#[tokio::test]
async fn unknown_fields_are_warned_about_refused_or_ignored() {
    let world = World::new();
    let mut map = config_map("a", "k", "v");
    map["dta"] = json!({"x": "y"});
    let dry = format!("{CONFIG_MAPS}?dryRun=All");
    let warned = world.post(&dry, &map).await;
    assert_eq!(warned.warnings, ["299 - \"unknown field \\\"dta\\\"\""]);
    let strict = format!("{dry}&fieldValidation=Strict");
    let (code, message) = world.post(&strict, &map).await.failure();
    let expected = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dta\"";
    assert_eq!((code, message.as_str()), (400, expected));
    let ignored = world.post(&format!("{dry}&fieldValidation=Ignore"), &map).await;
    assert_eq!((ignored.code.as_u16(), ignored.warnings.len()), (201, 0));
    let (code, message) = world.post(&format!("{dry}&fieldValidation=Maybe"), &map).await.failure();
    assert_eq!(code, 422, "{message}");
    let text =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"},"data":{"k":"2"}}"#;
    let (code, message) = world.send("POST", &strict, &[], text).await.failure();
    assert_eq!(code, 400);
    assert!(message.ends_with("strict decoding error: duplicate field \"data\""), "{message}");
}

#[tokio::test]
async fn bodies_of_another_kind_or_encoding_are_refused() {
    let world = World::new();
    let check = async |headers: &[(&str, &str)], body: String, code: u16, expected: &str| {
        let answer = world.send("POST", CONFIG_MAPS, headers, body).await.failure();
        assert_eq!((answer.0, answer.1.as_str()), (code, expected));
    };
    check(
        &[],
        pod("a").to_string(),
        400,
        "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion",
    )
    .await;
    check(
        &[],
        json!({"apiVersion": "v7", "kind": "ConfigMap", "metadata": {"name": "a"}}).to_string(),
        400,
        "ConfigMap in version \"v7\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for version \"v7\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
    )
    .await;
    check(
        &[("content-type", "text/plain")],
        "x".to_owned(),
        415,
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
    .await;
    let (code, _) = world.send("POST", CONFIG_MAPS, &[], "{").await.failure();
    assert_eq!(code, 400);
    let large = vec![b' '; 3 * 1024 * 1024 + 1];
    let (code, message) = world.send("POST", CONFIG_MAPS, &[], large).await.failure();
    assert_eq!((code, message.as_str()), (413, "Request entity too large: limit is 3145728"));
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\ndata: {k: \"yes\"}\n";
    let made =
        world.send("POST", CONFIG_MAPS, &[("content-type", "application/yaml")], yaml).await.expect(201);
    assert_eq!(made["data"]["k"], "yes");
}

#[tokio::test]
async fn managers_own_what_they_write() {
    let world = World::new();
    let agent = [("user-agent", "one/1.0 (x)")];
    let made =
        world.send("POST", CONFIG_MAPS, &agent, config_map("a", "k", "1").to_string()).await.expect(201);
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["manager"], &entry["operation"], &entry["apiVersion"]),
        (&json!("one"), &json!("Update"), &json!("v1"))
    );
    assert_eq!(entry["fieldsV1"], json!({"f:data": {".": {}, "f:k": {}}}));
    let patch = json!({"data": {"l": "2"}});
    let target = format!("{CONFIG_MAPS}/a?fieldManager=two");
    let patched = world.merge(&target, &patch).await.expect(200);
    let managers: Vec<_> = patched["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["manager"])
        .collect();
    assert_eq!(managers, ["one", "two"]);
}

#[tokio::test]
async fn apply_creates_merges_and_conflicts() {
    let world = World::new();
    let apply = async |manager: &str, force: &str, data: Value| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        let target = format!("{CONFIG_MAPS}/a?fieldManager={manager}{force}");
        world.patch(&target, "application/apply-patch+yaml", &body).await
    };
    let made = apply("one", "", json!({"k": "1", "l": "1"})).await.expect(201);
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    let again = apply("one", "", json!({"k": "1", "l": "1"})).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let less = apply("one", "", json!({"k": "1"})).await.expect(200);
    assert_eq!(less["data"], json!({"k": "1"}), "what is no longer applied goes");
    let conflict = apply("two", "", json!({"k": "2"})).await;
    let (code, message) = conflict.failure();
    assert_eq!(
        (code, message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"one\": .data.k")
    );
    let forced = apply("two", "&force=true", json!({"k": "2"})).await.expect(200);
    assert_eq!(forced["data"]["k"], "2");
    let target = format!("{CONFIG_MAPS}/a");
    let (code, message) = world.patch(&target, "application/apply-patch+yaml", &json!({})).await.failure();
    assert_eq!(code, 422);
    assert!(message.contains("fieldManager: Required value: is required for apply patch"), "{message}");
}

#[tokio::test]
async fn status_updates_leave_the_spec_and_spec_updates_the_status() {
    let world = World::new();
    let made = world.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let mut changed = made.clone();
    changed["spec"]["replicas"] = 7.into();
    changed["status"] = json!({"replicas": 3});
    let of_status = world.put(&format!("{DEPLOYMENTS}/d/status"), &changed).await.expect(200);
    assert_eq!((&of_status["spec"]["replicas"], &of_status["status"]["replicas"]), (&json!(1), &json!(3)));
    assert_eq!(of_status["metadata"]["generation"], 1);
    changed["metadata"]["resourceVersion"] = Value::Null;
    changed["status"] = json!({"replicas": 9});
    let of_spec = world.put(&format!("{DEPLOYMENTS}/d"), &changed).await.expect(200);
    assert_eq!((&of_spec["spec"]["replicas"], &of_spec["status"]["replicas"]), (&json!(7), &json!(3)));
    assert_eq!(of_spec["metadata"]["generation"], 2);
    let patched = world
        .merge(&format!("{DEPLOYMENTS}/d/status"), &json!({"status": {"replicas": 4}}))
        .await
        .expect(200);
    assert_eq!(patched["status"]["replicas"], 4);
}

#[tokio::test]
async fn scale_reads_and_writes_replicas() {
    let world = World::new();
    world.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    let target = format!("{DEPLOYMENTS}/d/scale");
    let scale = world.get(&target).await.expect(200);
    assert_eq!(
        (&scale["kind"], &scale["apiVersion"], &scale["spec"]["replicas"]),
        (&json!("Scale"), &json!("autoscaling/v1"), &json!(1))
    );
    let patched = world.merge(&target, &json!({"spec": {"replicas": 4}})).await.expect(200);
    assert_eq!(patched["spec"]["replicas"], 4);
    let mut put = patched.clone();
    put["spec"]["replicas"] = 5.into();
    assert_eq!(world.put(&target, &put).await.expect(200)["spec"]["replicas"], 5);
    assert_eq!(world.put(&target, &put).await.failure().0, 409, "the version of the first update");
    let (code, message) = world.merge(&target, &json!({"spec": {"replicas": -1}})).await.failure();
    assert_eq!(code, 422);
    assert!(
        message.contains("spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        "{message}"
    );
    let owner = world.get(&format!("{DEPLOYMENTS}/d")).await.expect(200);
    assert_eq!(owner["spec"]["replicas"], 5);
    assert_eq!(owner["metadata"]["generation"], 3);
}

#[tokio::test]
async fn pods_wait_for_their_grace_period() {
    let world = World::new();
    let mut bound = pod("p");
    bound["spec"]["nodeName"] = "n".into();
    world.post(PODS, &bound).await.expect(201);
    let marked = world.delete(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let again = world.delete(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], marked["metadata"]["resourceVersion"]);
    let longer = json!({"gracePeriodSeconds": 60}).to_string();
    let same = world.send("DELETE", &format!("{PODS}/p"), &[], longer).await.expect(200);
    assert_eq!(same["metadata"]["deletionGracePeriodSeconds"], 30);
    let shorter = world.delete(&format!("{PODS}/p?gracePeriodSeconds=5")).await.expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let now = world.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await.expect(200);
    assert_eq!(now["kind"], "Pod");
    assert_eq!(world.get(&format!("{PODS}/p")).await.failure().0, 404);
    // A pod that runs nowhere has nothing to wait for.
    world.post(PODS, &pod("q")).await.expect(201);
    world.delete(&format!("{PODS}/q")).await.expect(200);
    assert_eq!(world.get(&format!("{PODS}/q")).await.failure().0, 404);
}

#[tokio::test]
async fn propagation_becomes_finalizers() {
    let world = World::new();
    let check = async |name: &str, policy: &str, expected: Value| {
        world.post(DEPLOYMENTS, &deployment(name)).await.expect(201);
        let answer =
            world.delete(&format!("{DEPLOYMENTS}/{name}?propagationPolicy={policy}")).await.expect(200);
        assert_eq!(answer["metadata"]["finalizers"], expected, "{answer}");
    };
    check("a", "Foreground", json!(["foregroundDeletion"])).await;
    check("b", "Orphan", json!(["orphan"])).await;
    check("c", "Background", Value::Null).await;
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/c")).await.failure().0, 404);
    world.post(DEPLOYMENTS, &deployment("d")).await.expect(201);
    let (code, message) = world.delete(&format!("{DEPLOYMENTS}/d?propagationPolicy=Never")).await.failure();
    assert_eq!(code, 422, "{message}");
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let world = World::new();
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let mut map = config_map(name, "k", "v");
        map["metadata"]["labels"] = json!({"app": app});
        world.post(CONFIG_MAPS, &map).await.expect(201);
    }
    let answer = world.delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Dx")).await.expect(200);
    assert_eq!(answer["kind"], "ConfigMapList");
    assert_eq!(answer["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.keys().await, ["/registry/configmaps/default/b"]);
}

#[tokio::test]
async fn leases_are_created_by_update() {
    let world = World::new();
    let target = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    let made = world.put(target, &lease).await.expect(201);
    assert_eq!(made["metadata"]["uid"].as_str().map(str::len), Some(36));
    let (code, _) =
        world.put(&format!("{CONFIG_MAPS}/missing"), &config_map("missing", "k", "v")).await.failure();
    assert_eq!(code, 404);
    // Once it is there, an update has to name the version.
    let (code, message) = world.put(target, &lease).await.failure();
    let expected = "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    assert_eq!((code, message.as_str()), (422, expected));
}

#[tokio::test]
async fn concurrent_patches_all_arrive() {
    let world = std::sync::Arc::new(World::new());
    world.post(CONFIG_MAPS, &config_map("a", "k", "v")).await.expect(201);
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                let patch = json!({"data": {format!("k{number}"): "v"}});
                world.merge(&format!("{CONFIG_MAPS}/a"), &patch).await.code.as_u16()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    let after = world.get(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    assert_eq!(after["data"].as_object().unwrap().len(), 51);
}

#[tokio::test]
async fn namespaces_go_when_they_are_finalized() {
    let world = World::new();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    world.post("/api/v1/namespaces", &namespace).await.expect(201);
    let marked = world.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert_eq!(marked["spec"]["finalizers"], json!(["kubernetes"]));
    let again = world.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(again["metadata"]["resourceVersion"], marked["metadata"]["resourceVersion"]);
    let mut finalized = marked.clone();
    finalized["spec"]["finalizers"] = json!([]);
    world.put("/api/v1/namespaces/n/finalize", &finalized).await.expect(200);
    assert_eq!(world.get("/api/v1/namespaces/n").await.failure().0, 404);
}
