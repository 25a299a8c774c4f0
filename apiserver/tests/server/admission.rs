//! What plugins make of requests, through the whole server.

use serde_json::{Value, json};

use super::support::TestServer;

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn pods_of(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

#[tokio::test]
async fn pods_get_the_token_of_their_service_account() {
    let server = TestServer::new().await;
    server.make_default_account("default").await;
    let written = server.admin().post(&pods_of("default"), pod("p")).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let spec = &written.json["spec"];
    assert_eq!(
        (&spec["serviceAccountName"], &spec["serviceAccount"]),
        (&json!("default"), &json!("default"))
    );
    let volume = &spec["volumes"][0];
    let name = volume["name"].as_str().unwrap();
    assert!(name.starts_with("kube-api-access-") && name.len() == 21, "{name}");
    assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3607);
    assert_eq!(
        spec["containers"][0]["volumeMounts"],
        json!([
            {"name": name, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ])
    );
}

#[tokio::test]
async fn pods_need_their_service_account() {
    let server = TestServer::new().await;
    let refused = server.admin().post(&pods_of("default"), pod("x")).await;
    let expected = r#"pods "x" is forbidden: error looking up service account default/default: serviceaccount "default" not found"#;
    assert_eq!((refused.code, refused.message()), (403, expected));
    // A kubelet shows its static pods before there is any account.
    let mut mirror = pod("static-n1");
    mirror["metadata"]["annotations"] = json!({
        "kubernetes.io/config.mirror": "1", "kubernetes.io/config.source": "file",
    });
    mirror["spec"]["nodeName"] = json!("n1");
    let written = server.admin().post(&pods_of("kube-system"), mirror).await;
    assert_eq!(written.code, 201, "{}", written.text);
    assert_eq!(written.json["spec"]["volumes"], Value::Null);
    assert_eq!(written.json["spec"]["serviceAccountName"], Value::Null);
}

#[tokio::test]
async fn nothing_is_written_into_missing_and_dying_namespaces() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let missing = admin.post(&pods_of("x"), pod("p")).await;
    assert_eq!((missing.code, missing.message()), (404, r#"namespaces "x" not found"#));
    let named = json!({"metadata": {"name": "going"}});
    assert_eq!(admin.post("/api/v1/namespaces", named).await.code, 201);
    let maps = "/api/v1/namespaces/going/configmaps";
    assert_eq!(admin.post(maps, json!({"metadata": {"name": "before"}})).await.code, 201);
    assert_eq!(admin.delete("/api/v1/namespaces/going").await.code, 200);
    let refused = admin.post(maps, json!({"metadata": {"name": "after"}})).await;
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert_eq!(refused.json["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let kept = admin.delete("/api/v1/namespaces/kube-system").await;
    let expected = r#"namespaces "kube-system" is forbidden: this namespace may not be deleted"#;
    assert_eq!((kept.code, kept.message()), (403, expected));
}

#[tokio::test]
async fn kubelets_are_restricted_to_their_node() {
    let server = TestServer::start(|options, _| {
        options.generic.enable_admission_plugins = vec!["NodeRestriction".to_owned()];
    })
    .await;
    let (admin, kubelet) = (server.admin(), server.user("system:node:n1", &["system:nodes"]));
    let node = |labels: Value| json!({"metadata": {"name": "n1", "labels": labels}});
    let label = "node-role.kubernetes.io/control-plane";
    let refused = kubelet.post("/api/v1/nodes", node(json!({label: ""}))).await;
    let expected =
        format!(r#"nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: {label}"#);
    assert_eq!((refused.code, refused.message()), (403, expected.as_str()));
    let registered = kubelet.post("/api/v1/nodes", node(json!({"topology.kubernetes.io/zone": "z"}))).await;
    assert_eq!(registered.code, 201, "{}", registered.text);
    let taint = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]);
    assert_eq!(registered.json["spec"]["taints"], taint);

    let mut mirror = pod("static-n1");
    mirror["metadata"]["annotations"] =
        json!({"kubernetes.io/config.mirror": "1", "kubernetes.io/config.source": "file"});
    mirror["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "Node", "name": "n1", "controller": true,
        "uid": registered.json["metadata"]["uid"],
    }]);
    mirror["spec"]["nodeName"] = json!("n1");
    let written = kubelet.post(&pods_of("kube-system"), mirror).await;
    assert_eq!(written.code, 201, "{}", written.text);

    server.make_default_account("default").await;
    let mut mine = pod("mine");
    mine["spec"]["nodeName"] = json!("n1");
    let mine = admin.post(&pods_of("default"), mine).await;
    assert_eq!(mine.code, 201, "{}", mine.text);
    let bound =
        json!({"apiVersion": "v1", "kind": "Pod", "name": "mine", "uid": mine.json["metadata"]["uid"]});
    let ask = async |audiences: Value| {
        let spec = json!({"audiences": audiences, "boundObjectRef": bound, "expirationSeconds": 3607});
        let tokens = "/api/v1/namespaces/default/serviceaccounts/default/token";
        kubelet.post(tokens, json!({"spec": spec})).await
    };
    // The authorizer learns of the pod from the watch cache.
    server.eventually("the kubelet gets the token", async || ask(json!([])).await.code == 201).await;
    let refused = ask(json!(["vault"])).await;
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert!(
        refused.message().contains(r#"audience "vault" not found in pod spec volume"#),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn pods_are_completed_before_and_when_they_are_bound() {
    let server = TestServer::new().await;
    let admin = server.admin();
    server.make_default_account("default").await;
    let node = json!({"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z"}}});
    assert_eq!(admin.post("/api/v1/nodes", node).await.code, 201);
    let mut critical = pod("p");
    critical["spec"]["priorityClassName"] = json!("system-cluster-critical");
    let written = admin.post(&pods_of("default"), critical).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let spec = &written.json["spec"];
    assert_eq!(spec["priority"], 2_000_000_000);
    assert_eq!(spec["preemptionPolicy"], "PreemptLowerPriority");
    let tolerated: Vec<_> =
        spec["tolerations"].as_array().unwrap().iter().map(|t| t["key"].clone()).collect();
    assert_eq!(tolerated, ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]);
    let zone = "topology.kubernetes.io/zone";
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}});
    server
        .eventually("the watch cache has the node", async || {
            admin.get("/api/v1/nodes/n1?resourceVersion=0").await.code == 200
        })
        .await;
    let bound = admin.post(&format!("{}/p/binding", pods_of("default")), binding).await;
    assert_eq!(bound.code, 201, "{}", bound.text);
    let bound = admin.get(&format!("{}/p", pods_of("default"))).await;
    assert_eq!(bound.json["metadata"]["labels"][zone], "z", "{}", bound.text);
}
