//! May they: RBAC, the Node authorizer, escalation, access reviews.

use serde_json::{Value, json};

use super::support::TestServer;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn role(name: &str, verbs: &[&str], resources: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": resources, "verbs": verbs}]})
}

fn binding(name: &str, role: &str, user: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

#[tokio::test]
async fn bindings_grant_and_their_removal_takes_back() {
    let server = TestServer::new().await;
    let (admin, jane) = (server.admin(), server.user("jane", &[]));
    let pods = "/api/v1/namespaces/default/pods";
    let refused = jane.get(pods).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        r#"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default""#
    );
    let written = admin.post(&format!("{RBAC}/clusterroles"), role("reader", &["list"], &["pods"])).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let bindings = format!("{RBAC}/clusterrolebindings");
    assert_eq!(admin.post(&bindings, binding("readers", "reader", "jane")).await.code, 201);
    server.eventually("jane may list pods", async || jane.get(pods).await.code == 200).await;
    assert_eq!(admin.delete(&format!("{bindings}/readers")).await.code, 200);
    server.eventually("jane may not any more", async || jane.get(pods).await.code == 403).await;
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let server = TestServer::new().await;
    let (admin, jane) = (server.admin(), server.user("jane", &[]));
    let manager = json!({"metadata": {"name": "manager"}, "rules": [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["create", "update", "get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]});
    assert_eq!(admin.post(&format!("{RBAC}/clusterroles"), manager).await.code, 201);
    assert_eq!(
        admin.post(&format!("{RBAC}/clusterrolebindings"), binding("m", "manager", "jane")).await.code,
        201
    );
    let roles = format!("{RBAC}/clusterroles");
    server
        .eventually("jane may write roles", async || {
            jane.post(&roles, role("own", &["get"], &["pods"])).await.code != 403
        })
        .await;
    let more = jane.post(&roles, role("more", &["get", "delete"], &["pods"])).await;
    assert_eq!(more.code, 403, "{}", more.text);
    let expected = "clusterroles.rbac.authorization.k8s.io \"more\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}";
    assert_eq!(more.message(), expected);
    let admin_binding =
        jane.post(&format!("{RBAC}/clusterrolebindings"), binding("x", "cluster-admin", "jane")).await;
    assert_eq!(admin_binding.code, 403, "{}", admin_binding.text);
    let own = jane.post(&format!("{RBAC}/clusterrolebindings"), binding("own", "own", "joe")).await;
    assert_eq!(own.code, 201, "{}", own.text);
}

#[tokio::test]
async fn kubelets_reach_what_their_pods_refer_to() {
    let server = TestServer::new().await;
    let (admin, kubelet) = (server.admin(), server.user("system:node:n1", &["system:nodes"]));
    let secrets = "/api/v1/namespaces/default/secrets";
    for name in ["used", "unused"] {
        assert_eq!(admin.post(secrets, json!({"metadata": {"name": name}})).await.code, 201);
    }
    let refused = kubelet.get(&format!("{secrets}/used")).await;
    assert_eq!(refused.code, 403);
    assert!(refused.message().ends_with("no relationship found between node 'n1' and this object"));
    server.make_default_account("default").await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "nodeName": "n1",
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "secret": {"secretName": "used"}}],
    }});
    let written = admin.post("/api/v1/namespaces/default/pods", pod).await;
    assert_eq!(written.code, 201, "{}", written.text);
    server
        .eventually("the kubelet may read the secret", async || {
            kubelet.get(&format!("{secrets}/used")).await.code == 200
        })
        .await;
    assert_eq!(kubelet.get(&format!("{secrets}/unused")).await.code, 403);
    assert_eq!(kubelet.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").await.code, 200);
    assert_eq!(kubelet.get("/api/v1/pods").await.code, 403);
    assert_eq!(kubelet.get("/api/v1/nodes/n2").await.code, 403);
    assert_eq!(kubelet.get("/api/v1/services").await.code, 200);
}

#[tokio::test]
async fn reviews_answer() {
    let server = TestServer::new().await;
    let (admin, jane) = (server.admin(), server.user("jane", &[]));
    let own = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let pods = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
    assert_eq!(jane.post(own, pods.clone()).await.json["status"], json!({"allowed": false}));
    assert_eq!(admin.post(own, pods).await.json["status"]["allowed"], true);
    let any = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let about = json!({"spec": {"user": "u", "groups": ["system:masters"], "nonResourceAttributes": {"verb": "get", "path": "/x"}}});
    assert_eq!(admin.post(any, about.clone()).await.json["status"]["allowed"], true);
    assert_eq!(jane.post(any, about).await.code, 403);
    let rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let rules = jane.post(rules, json!({"spec": {"namespace": "default"}})).await;
    assert_eq!(rules.code, 201, "{}", rules.text);
    assert!(rules.json["status"]["resourceRules"].as_array().is_some_and(|rules| !rules.is_empty()));
    let broken = admin.post(any, json!({"spec": {"user": "u"}})).await;
    assert_eq!(broken.code, 422);
}
