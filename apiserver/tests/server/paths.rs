//! Paths beside the resources: discovery, OpenAPI, version, health, metrics, OpenID; and odd requests.

use serde_json::{Value, json};

use super::support::TestServer;

#[tokio::test]
async fn discovery_and_openapi_agree() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let apis = admin.send("GET", "/apis", &[("accept", accept)], Value::Null).await;
    assert_eq!(apis.json["kind"], "APIGroupDiscoveryList");
    let index = admin.get("/openapi/v3").await;
    for group in apis.json["items"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            let path = format!(
                "apis/{}/{}",
                group["metadata"]["name"].as_str().unwrap(),
                version["version"].as_str().unwrap()
            );
            let url = index.json["paths"][&path]["serverRelativeURL"].as_str();
            let document = admin.get(url.unwrap_or_else(|| panic!("{path} is in the index"))).await;
            assert_eq!(document.code, 200, "{path}");
            assert_eq!(document.headers["cache-control"], "public, immutable");
            for resource in version["resources"].as_array().unwrap() {
                let namespaced =
                    if resource["scope"] == "Namespaced" { "/namespaces/{namespace}" } else { "" };
                let base = format!("/{path}{namespaced}/{}", resource["resource"].as_str().unwrap());
                let paths = document.json["paths"].as_object().unwrap();
                assert!(paths.keys().any(|known| known.starts_with(&base)), "{base} has operations");
            }
            check_references(
                &document.json,
                &document.json["components"]["schemas"],
                "#/components/schemas/",
            );
        }
    }
    let v2 = admin.get("/openapi/v2").await;
    check_references(&v2.json, &v2.json["definitions"], "#/definitions/");
}

/// Every `$ref` leads somewhere.
#[track_caller]
fn check_references(value: &Value, schemas: &Value, prefix: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let name = reference.strip_prefix(prefix).expect("a local reference");
                assert!(
                    schemas.get(name).is_some_and(|schema| !schema.is_null()),
                    "{reference} leads nowhere"
                );
            }
            fields.values().for_each(|field| check_references(field, schemas, prefix));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, schemas, prefix)),
        _ => {}
    }
}

#[tokio::test]
async fn what_kubectl_apply_needs_is_in_the_schemas() {
    let server = TestServer::new().await;
    let document = server.admin().get("/openapi/v3/api/v1").await;
    let schemas = &document.json["components"]["schemas"];
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let kinds = &schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"];
    assert_eq!(kinds, &json!([{"group": "", "kind": "Pod", "version": "v1"}]));
    let patch = &document.json["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
    assert!(patch["requestBody"]["content"].get("application/apply-patch+yaml").is_some());
    let description = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["nodeName"]["description"].as_str();
    assert!(description.is_some_and(|text| !text.is_empty()));
}

#[tokio::test]
async fn plain_paths() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let version = admin.get("/version").await;
    assert_eq!((version.json["major"].as_str(), version.json["minor"].as_str()), (Some("1"), Some("36")));
    let ready = admin.get("/readyz?verbose").await;
    assert!(ready.text.contains("[+]poststarthook/rbac/bootstrap-roles ok"), "{}", ready.text);
    assert_eq!(admin.get("/livez/etcd").await.text, "ok");
    assert_eq!(admin.get("/livez/nothing").await.code, 404);
    let metrics = admin.get("/metrics").await;
    for series in [
        "apiserver_request_total{",
        "apiserver_request_duration_seconds_bucket{",
        "apiserver_current_inflight_requests{",
        "apiserver_storage_objects{resource=\"namespaces\"} 4",
        "apiserver_resource_objects{group=\"rbac.authorization.k8s.io\",resource=\"clusterroles\"}",
        "etcd_request_duration_seconds_bucket{group=\"\",operation=\"create\",resource=\"namespaces\"",
        "etcd_requests_total{",
        "apiserver_flowcontrol_dispatched_requests_total{",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.text.contains(series), "{series} is missing in {}", metrics.text);
    }
    let index = admin.get("/").await;
    assert!(index.json["paths"].as_array().unwrap().contains(&json!("/apis/apps/v1")));
    let openid = admin.get("/.well-known/openid-configuration").await;
    assert_eq!(openid.json["issuer"], "https://issuer.test");
    assert_eq!(openid.json["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(admin.get("/openid/v1/jwks").await.json["keys"][0]["crv"], "P-256");
}

#[tokio::test]
async fn odd_requests_are_answered() {
    let server = TestServer::new().await;
    let admin = server.admin();
    assert_eq!(admin.get("/nothing").await.code, 404);
    assert_eq!(admin.get("/api/v1/nothings").await.code, 404);
    assert_eq!(admin.get("/apis/none.example.com/v1/things").await.code, 404);
    assert_eq!(admin.post("/version", json!({})).await.code, 405);
    let bad = admin.get("/api/v1/pods?timeout=soon").await;
    assert_eq!(bad.code, 400);
    assert!(bad.message().starts_with("invalid timeout specified in the request URL"), "{}", bad.text);
    let answer = admin.send("GET", "/api/v1/pods", &[("audit-id", "my-id")], Value::Null).await;
    assert_eq!(answer.headers["audit-id"], "my-id");
    assert_eq!(answer.headers["cache-control"], "no-cache, private");
}
