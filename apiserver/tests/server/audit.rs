//! The audit log as a file.

use std::path::Path;

use serde_json::{Value, json};

use super::support::TestServer;

const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver"]
- level: RequestResponse
  resources: [{group: "", resources: ["configmaps"]}]
  omitManagedFields: true
- level: None
  nonResourceURLs: ["*"]
- level: Metadata
"#;

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn requests_are_written_down_as_the_policy_wants() {
    let server = TestServer::start(|options, folder| {
        let policy = folder.join("policy.yaml");
        std::fs::write(&policy, POLICY).unwrap();
        options.audit.audit_policy_file = Some(policy);
        options.audit.audit_log_path = Some(folder.join("audit.log").display().to_string());
    })
    .await;
    let file = server.folder.path().join("audit.log");
    let admin = server.admin();
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({"metadata": {"name": "m"}, "data": {"k": "v"}});
    assert_eq!(admin.send("POST", maps, &[("audit-id", "one")], map).await.code, 201);
    let headers = [("audit-id", "two"), ("Impersonate-User", "joe")];
    assert_eq!(admin.send("GET", "/api/v1/secrets", &headers, Value::Null).await.code, 403);
    let nobody = server.bearer("wrong");
    assert_eq!(nobody.send("GET", "/api/v1/pods", &[("audit-id", "three")], Value::Null).await.code, 401);
    admin.get("/version").await;
    server.eventually("three lines are written", async || lines(&file).len() >= 3).await;

    let written = lines(&file);
    let find = |id: &str| written.iter().find(|event| event["auditID"] == id).cloned().expect(id);
    let one = find("one");
    assert_eq!(one["level"], "RequestResponse");
    assert_eq!(one["stage"], "ResponseComplete");
    assert_eq!(one["verb"], "create");
    assert_eq!(one["user"]["username"], "admin");
    assert_eq!(one["objectRef"]["name"], "m");
    assert_eq!(one["requestObject"]["data"], json!({"k": "v"}));
    assert_eq!(one["responseObject"]["data"], json!({"k": "v"}));
    assert_eq!(one["responseObject"]["metadata"].get("managedFields"), None);
    assert_eq!(one["annotations"]["authorization.k8s.io/decision"], "allow");
    let two = find("two");
    assert_eq!(two["level"], "Metadata");
    assert_eq!(two["impersonatedUser"]["username"], "joe");
    assert_eq!(two["responseStatus"]["code"], 403);
    assert_eq!(two["responseStatus"]["reason"], "Forbidden");
    assert_eq!(two.get("requestObject"), None);
    assert_eq!(find("three")["responseStatus"]["code"], 401);
    assert!(written.iter().all(|event| event["requestURI"] != "/version"));
}
