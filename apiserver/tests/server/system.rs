//! What the server keeps by itself.

use serde_json::json;

use super::support::TestServer;

#[tokio::test]
async fn the_clusters_own_objects_are_there() {
    let server = TestServer::new().await;
    let admin = server.admin();
    for path in [
        "/api/v1/namespaces/kube-system",
        "/api/v1/namespaces/kube-public",
        "/api/v1/namespaces/kube-node-lease",
        "/api/v1/namespaces/default",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:controller:job-controller",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
        "/apis/networking.k8s.io/v1/servicecidrs/kubernetes",
        "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/service-accounts",
        "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/workload-low",
    ] {
        assert_eq!(admin.get(path).await.code, 200, "{path}");
    }
    let service = admin.get("/api/v1/namespaces/default/services/kubernetes").await;
    assert_eq!(service.json["spec"]["clusterIP"], "10.0.0.1");
    let port = service.json["spec"]["ports"][0].clone();
    assert_eq!(port["targetPort"], server.address.port());
    let endpoints = admin.get("/api/v1/namespaces/default/endpoints/kubernetes").await;
    assert_eq!(endpoints.json["subsets"][0]["addresses"], json!([{"ip": "192.0.2.10"}]));
    let slice = admin.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").await;
    assert_eq!(slice.json["endpoints"][0]["addresses"], json!(["192.0.2.10"]));
    let leases = admin.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases").await;
    let labels = &leases.json["items"][0]["metadata"]["labels"];
    assert_eq!(labels["apiserver.kubernetes.io/identity"], "kube-apiserver");
}

#[tokio::test]
async fn services_get_addresses_and_ports() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let services = "/api/v1/namespaces/default/services";
    let service = json!({"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let written = admin.post(services, service).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let ip = written.json["spec"]["clusterIP"].as_str().unwrap();
    assert!(ip.starts_with("10.0.0."), "{ip}");
    let port = written.json["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
    assert!((30000..=32767).contains(&port), "{port}");
    let taken = json!({"metadata": {"name": "other"}, "spec": {"clusterIP": ip, "ports": [{"port": 80}]}});
    assert_eq!(admin.post(services, taken).await.code, 422);
}

#[tokio::test]
async fn a_server_stops_in_order() {
    let server = TestServer::new().await;
    let admin = server.admin();
    assert_eq!(admin.get("/healthz").await.code, 200);
    server.stop().await;
}

#[tokio::test]
async fn flow_control_follows_its_objects() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let base = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let level = json!({"metadata": {"name": "mine"}, "spec": {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}},
    }});
    let level = admin.post(&format!("{base}/prioritylevelconfigurations"), level).await;
    assert_eq!(level.code, 201, "{}", level.text);
    let schema = json!({"metadata": {"name": "mine"}, "spec": {
        "priorityLevelConfiguration": {"name": "mine"},
        "matchingPrecedence": 50,
        "rules": [{
            "subjects": [{"kind": "User", "user": {"name": "jane"}}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version"]}],
        }],
    }});
    let schema = admin.post(&format!("{base}/flowschemas"), schema).await;
    assert_eq!(schema.code, 201, "{}", schema.text);
    let known = admin.get(&format!("{base}/flowschemas/exempt")).await;
    let condition = &known.json["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("Dangling"), &json!("False")));
    let (level, schema) = (&level.json["metadata"]["uid"], &schema.json["metadata"]["uid"]);
    let jane = server.user("jane", &[]);
    server
        .eventually("the schema is in force", async || {
            let answer = jane.get("/version").await;
            let uid = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
            uid("x-kubernetes-pf-flowschema-uid") == schema.as_str()
                && uid("x-kubernetes-pf-prioritylevel-uid") == level.as_str()
        })
        .await;
}
