//! Requests for discovery documents over a small catalog.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::catalog::{ServedResource, ServedSubresource, storage_version_hash};
use super::*;

fn discovery() -> Discovery {
    let texts = |list: &[&str]| list.iter().map(|t| t.to_string()).collect::<Vec<_>>();
    let mut catalog = Catalog::default();
    let scale = ServedSubresource {
        name: "scale".into(),
        group: "autoscaling".into(),
        version: "v1".into(),
        kind: "Scale".into(),
        verbs: texts(&["get", "update"]),
    };
    let status = ServedSubresource {
        name: "status".into(),
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        verbs: texts(&["get"]),
    };
    catalog.add(
        "apps",
        "v1",
        ServedResource {
            plural: "deployments".into(),
            singular: "deployment".into(),
            kind: "Deployment".into(),
            namespaced: true,
            verbs: texts(&["create", "get"]),
            short_names: texts(&["deploy"]),
            categories: texts(&["all"]),
            storage_version_hash: storage_version_hash("apps", "v1", "Deployment"),
            subresources: vec![scale, status],
            published: None,
        },
    );
    let node = ServedResource {
        plural: "nodes".into(),
        singular: "node".into(),
        kind: "Node".into(),
        verbs: texts(&["get"]),
        ..ServedResource::default()
    };
    catalog.add("", "v1", node);
    catalog.sort();
    Discovery::new(catalog, "10.0.0.1:6443".into())
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Option<(u16, HeaderMap, Bytes)> {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = discovery().answer(&request.body(()).unwrap())?;
    let (parts, body) = response.into_parts();
    Some((parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes()))
}

async fn get_json(path: &str) -> Value {
    serde_json::from_slice(&get(path, &[]).await.expect("answered").2).unwrap()
}

#[tokio::test]
async fn plain_documents() {
    let expected = json!({"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}]});
    assert_eq!(get_json("/api").await, expected);
    let version = json!({"groupVersion": "apps/v1", "version": "v1"});
    let group = json!({"name": "apps", "versions": [version], "preferredVersion": version});
    assert_eq!(get_json("/apis").await["groups"], json!([group]));
    assert_eq!(get_json("/apis/apps").await["preferredVersion"], version);
    let list = get_json("/apis/apps/v1").await;
    assert_eq!(list["groupVersion"], "apps/v1");
    let scale = json!({"name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
        "version": "v1", "kind": "Scale", "verbs": ["get", "update"]});
    assert_eq!(list["resources"][1], scale);
    assert_eq!(list["resources"][0]["storageVersionHash"], "8aSe+NMegvE=");
    assert!(get("/apis/nothing", &[]).await.is_none());
    assert!(get("/api/v2", &[]).await.is_none());
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

#[tokio::test]
async fn aggregated_documents() {
    let accept = format!("{AGGREGATED},application/json");
    let (code, headers, body) = get("/apis", &[("accept", &accept)]).await.unwrap();
    assert_eq!(code, 200);
    assert_eq!(headers[CONTENT_TYPE], AGGREGATED);
    let list: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(list["kind"], "APIGroupDiscoveryList");
    assert_eq!(list["items"][0]["metadata"]["name"], "apps");
    let resource = &list["items"][0]["versions"][0]["resources"][0];
    assert_eq!(resource["responseKind"], json!({"group": "apps", "version": "v1", "kind": "Deployment"}));
    assert_eq!(resource["subresources"][0]["responseKind"]["group"], "autoscaling");
    let tag = headers[ETAG].to_str().unwrap().to_string();
    let (code, _, body) = get("/apis", &[("accept", &accept), ("if-none-match", &tag)]).await.unwrap();
    assert_eq!((code, body.len()), (304, 0));
}

#[tokio::test]
async fn the_first_acceptable_form_is_given() {
    let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    let (_, headers, _) = get("/apis", &[("accept", old)]).await.unwrap();
    assert_eq!(headers[CONTENT_TYPE], JSON);
    let (_, headers, body) = get("/apis", &[("accept", PROTOBUF)]).await.unwrap();
    assert_eq!(headers[CONTENT_TYPE], PROTOBUF);
    assert!(body.starts_with(b"k8s\0"));
}
