//! Who is asking: certificates, tokens, impersonation.

use component_base::tls::ExtendedUsage;
use serde_json::json;

use super::support::{TestServer, authority, issue};

const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

#[tokio::test]
async fn certificates_make_users_and_bad_ones_are_401() {
    let server = TestServer::new().await;
    let jane = server.user("jane", &["devs"]).post(WHOAMI, json!({})).await;
    assert_eq!(jane.code, 201, "{}", jane.text);
    let user = &jane.json["status"]["userInfo"];
    assert_eq!(user["username"], "jane");
    assert_eq!(user["groups"], json!(["devs", "system:authenticated"]));

    let foreign = authority("foreign");
    let foreign = issue(&foreign, "admin", &["system:masters"], ExtendedUsage::ClientAuth, -1..1);
    let expired = issue(server.authority(), "admin", &["system:masters"], ExtendedUsage::ClientAuth, -2..-1);
    let for_servers =
        issue(server.authority(), "admin", &["system:masters"], ExtendedUsage::ServerAuth, -1..1);
    for (what, pair) in [("foreign", foreign), ("expired", expired), ("server", for_servers)] {
        let answer = server.with_certificate(pair).get("/api/v1/pods").await;
        assert_eq!(answer.code, 401, "{what}: {}", answer.text);
        assert_eq!(answer.message(), "Unauthorized");
        assert_eq!(answer.json["reason"], "Unauthorized");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_credentials_only_public_paths_are_open() {
    let server = TestServer::new().await;
    let nobody = server.anonymous();
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(nobody.get(path).await.code, 200, "{path}");
    }
    let answer = nobody.get("/api/v1/secrets").await;
    assert_eq!(answer.code, 403);
    assert_eq!(
        answer.message(),
        r#"secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" at the cluster scope"#
    );
    assert_eq!(server.bearer("nonsense").get("/healthz").await.code, 401, "a bad token is not no token");
}

#[tokio::test]
async fn service_account_tokens_live_as_long_as_what_they_are_bound_to() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(admin.post(accounts, json!({"metadata": {"name": "bot"}})).await.code, 201);
    let secret = json!({"metadata": {"name": "life"}, "data": {}});
    let secret = admin.post("/api/v1/namespaces/default/secrets", secret).await;
    let uid = secret.json["metadata"]["uid"].as_str().unwrap();
    let bound = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "life", "uid": uid}}});
    let request = admin.post(&format!("{accounts}/bot/token"), bound).await;
    assert_eq!(request.code, 201, "{}", request.text);
    assert_eq!(request.json["spec"]["audiences"], json!(["https://issuer.test"]));
    assert_eq!(request.json["spec"]["expirationSeconds"], 3600);
    let token = request.json["status"]["token"].as_str().unwrap();
    let me = server.bearer(token).post(WHOAMI, json!({})).await;
    assert_eq!(me.json["status"]["userInfo"]["username"], "system:serviceaccount:default:bot");

    let review = json!({"spec": {"token": token, "audiences": ["elsewhere"]}});
    let review = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", review).await;
    assert_eq!(review.json["status"].get("authenticated"), None, "{}", review.text);
    let review = json!({"spec": {"token": token}});
    let review = admin.post("/apis/authentication.k8s.io/v1/tokenreviews", review).await;
    assert_eq!(review.json["status"]["authenticated"], true, "{}", review.text);

    let short = json!({"spec": {"expirationSeconds": 60}});
    let short = admin.post(&format!("{accounts}/bot/token"), short).await;
    assert_eq!(short.code, 422);
    assert!(short.message().contains("may not specify a duration less than 10 minutes"), "{}", short.text);

    let other = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "life", "uid": "x"}}});
    assert_eq!(admin.post(&format!("{accounts}/bot/token"), other).await.code, 409);
    assert_eq!(admin.post(&format!("{accounts}/none/token"), json!({})).await.code, 404);
}

#[tokio::test]
async fn bootstrap_tokens_come_from_secrets() {
    let server = TestServer::new().await;
    let encode = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let joining = server.bearer("abcdef.0123456789abcdef");
    assert_eq!(joining.post(WHOAMI, json!({})).await.code, 401);
    let secret = json!({
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {
            "token-id": encode("abcdef"),
            "token-secret": encode("0123456789abcdef"),
            "usage-bootstrap-authentication": encode("true"),
        },
    });
    let written = server.admin().post("/api/v1/namespaces/kube-system/secrets", secret).await;
    assert_eq!(written.code, 201, "{}", written.text);
    let me = joining.post(WHOAMI, json!({})).await;
    assert_eq!(me.json["status"]["userInfo"]["username"], "system:bootstrap:abcdef");
    assert_eq!(me.json["status"]["userInfo"]["groups"][0], "system:bootstrappers");
}

#[tokio::test]
async fn impersonation_needs_permission() {
    let server = TestServer::new().await;
    let headers = [("Impersonate-User", "joe"), ("Impersonate-Group", "devs")];
    let me = server.admin().send("POST", WHOAMI, &headers, json!({})).await;
    assert_eq!(me.json["status"]["userInfo"]["username"], "joe");
    assert_eq!(me.json["status"]["userInfo"]["groups"], json!(["devs", "system:authenticated"]));
    let refused = server.user("jane", &[]).send("POST", WHOAMI, &headers, json!({})).await;
    assert_eq!(refused.code, 403);
    assert!(
        refused.message().contains(r#"User "jane" cannot impersonate resource "users""#),
        "{}",
        refused.text
    );
}
