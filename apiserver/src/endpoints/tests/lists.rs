//! Pages, versions, selectors, shapes and compression of lists.

use std::io::Read;

use serde_json::{Value, json};

use super::world::{CONFIG_MAPS, World, config_map};

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

async fn world_of(count: usize) -> World {
    let world = World::new();
    for number in 0..count {
        let mut map = config_map(&format!("m{number:02}"), "k", "v");
        map["metadata"]["labels"] = json!({"parity": if number % 2 == 0 { "even" } else { "odd" }});
        world.post(CONFIG_MAPS, &map).await.expect(201);
    }
    world
}

#[tokio::test]
async fn pages_show_one_state() {
    let world = world_of(5).await;
    let first = world.get(&format!("{CONFIG_MAPS}?limit=2")).await.expect(200);
    assert_eq!(names(&first), ["m00", "m01"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    world.delete(&format!("{CONFIG_MAPS}/m02")).await.expect(200);
    world.post(CONFIG_MAPS, &config_map("m021", "k", "v")).await.expect(201);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = world.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["m02", "m03"], "the state of the first page");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let last = world
        .get(&format!("/api/v1/namespaces/default/configmaps?limit=2&continue={token}"))
        .await
        .expect(200);
    assert_eq!(names(&last), ["m04"]);
    assert_eq!(last["metadata"]["continue"], Value::Null);
    assert_eq!(last["metadata"]["remainingItemCount"], Value::Null);
    // The same over all namespaces, whose tokens carry the namespace.
    let first = world.get("/api/v1/configmaps?limit=4").await.expect(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = world.get(&format!("/api/v1/configmaps?continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["m04"]);
}

#[tokio::test]
async fn tokens_are_checked() {
    let world = world_of(3).await;
    let check = async |query: &str, expected: (u16, &str)| {
        let (code, message) = world.get(&format!("{CONFIG_MAPS}?{query}")).await.failure();
        assert_eq!(code, expected.0, "{message}");
        assert!(message.starts_with(expected.1), "{message}");
    };
    check("continue=%25%25", (400, "invalid continue token: continue key is not valid: ")).await;
    let first = world.get(&format!("{CONFIG_MAPS}?limit=1")).await.expect(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let both = format!("resourceVersion=5&continue={token}");
    check(&both, (400, "specifying resource version is not allowed when using continue")).await;
    check("resourceVersion=x", (400, "resourceVersion: Invalid value: \"x\": ")).await;
    check("resourceVersion=99999", (504, "Timeout: Too large resource version: 99999, current: ")).await;
    check("limit=x", (400, "strconv.ParseInt: parsing \"x\": invalid syntax")).await;
}

#[tokio::test]
async fn a_compacted_page_goes_on_in_the_present() {
    use apiserver_storage::Storage;
    let world = world_of(4).await;
    // A page of a state that is older than this server's cache, and compacted.
    let (group, start) = ("meta.k8s.io/v1", "m01\u{0}");
    let old = json!({"v": group, "rv": 2, "start": start}).to_string();
    let token = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(old)
    };
    let late = World::over(world.storage.clone());
    late.get(CONFIG_MAPS).await.expect(200);
    world.storage.compact(world.storage.current_revision().await.unwrap()).await.unwrap();
    let answer = late.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    let (code, message) = answer.failure();
    assert_eq!(code, 410);
    assert!(
        message
            .starts_with("The provided continue parameter is too old to display a consistent list result.")
    );
    let body = answer.json();
    assert_eq!(body["reason"], "Expired");
    let token = body["metadata"]["continue"].as_str().unwrap();
    let rest = late.get(&format!("{CONFIG_MAPS}?limit=5&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["m02", "m03"]);
}

#[tokio::test]
async fn versions_are_matched() {
    let world = world_of(3).await;
    let all = world.get(CONFIG_MAPS).await.expect(200);
    let revision = all["items"][1]["metadata"]["resourceVersion"].as_str().unwrap();
    let check = async |query: String, expected: &[&str]| {
        let list = world.get(&format!("{CONFIG_MAPS}?{query}")).await.expect(200);
        assert_eq!(names(&list), expected, "{query}");
        list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    };
    let exact =
        check(format!("resourceVersion={revision}&resourceVersionMatch=Exact"), &["m00", "m01"]).await;
    assert_eq!(exact, revision);
    check(format!("resourceVersion={revision}&limit=5"), &["m00", "m01"]).await;
    check(format!("resourceVersion={revision}&resourceVersionMatch=NotOlderThan"), &["m00", "m01", "m02"])
        .await;
    check(format!("resourceVersion={revision}"), &["m00", "m01", "m02"]).await;
    check("resourceVersion=0&limit=1".to_owned(), &["m00", "m01", "m02"]).await;
}

#[tokio::test]
async fn selectors_select() {
    let world = world_of(4).await;
    world.post("/api/v1/namespaces/other/configmaps", &config_map("m01", "k", "v")).await.expect(201);
    let check = async |target: &str, expected: &[&str]| {
        let list = world.get(target).await.expect(200);
        assert_eq!(names(&list), expected, "{target}");
    };
    check("/api/v1/configmaps?labelSelector=parity%3Dodd", &["m01", "m03"]).await;
    check("/api/v1/configmaps?labelSelector=parity+notin+(odd)", &["m00", "m02", "m01"]).await;
    check("/api/v1/configmaps?fieldSelector=metadata.name%3Dm01", &["m01", "m01"]).await;
    check("/api/v1/configmaps?fieldSelector=metadata.name%3Dm01,metadata.namespace!%3Ddefault", &["m01"])
        .await;
    check("/api/v1/namespaces/other/configmaps?fieldSelector=metadata.name%3Dm00", &[]).await;
    check("/api/v1/namespaces/default/configmaps?labelSelector=parity%3Dodd&limit=1", &["m01"]).await;
    let refused = async |target: &str, expected: &str| {
        let (code, message) = world.get(target).await.failure();
        assert_eq!((code, message.as_str()), (400, expected));
    };
    refused(
        "/api/v1/configmaps?fieldSelector=data.x%3Dy",
        "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
    )
    .await;
    refused("/api/v1/pods?fieldSelector=spec.x%3Dy", "field label not supported: spec.x").await;
}

#[tokio::test]
async fn large_lists_are_streamed_and_compressed() {
    let world = World::new();
    for number in 0..60 {
        let value = format!("{number}").repeat(4000);
        world.post(CONFIG_MAPS, &config_map(&format!("m{number:02}"), "k", &value)).await.expect(201);
    }
    let plain = world.get(CONFIG_MAPS).await;
    assert_eq!(plain.headers.get("content-encoding"), None);
    assert!(plain.bytes.ends_with(b"]}\n"));
    let zipped = world.send("GET", CONFIG_MAPS, &[("accept-encoding", "gzip")], "").await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(zipped.bytes.len() < plain.bytes.len() / 10);
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(&zipped.bytes[..]).read_to_end(&mut unzipped).unwrap();
    assert_eq!(unzipped, plain.bytes);
    let small =
        world.send("GET", &format!("{CONFIG_MAPS}?limit=2"), &[("accept-encoding", "gzip")], "").await;
    assert_eq!(small.headers.get("content-encoding"), None);
    // The same objects in protobuf, which is sent with its length in front.
    let binary =
        world.send("GET", CONFIG_MAPS, &[("accept", "application/vnd.kubernetes.protobuf")], "").await;
    let envelope = machinery::codec::protobuf::unwrap(&binary.bytes).unwrap();
    assert_eq!((envelope.api_version, envelope.kind), ("v1", "ConfigMapList"));
    let kind = api_types::facts::kind("", "v1", "ConfigMapList").unwrap();
    let shown =
        machinery::codec::json::protobuf_to_value(kind.schema, envelope.raw, Some(("v1", "ConfigMapList")));
    assert_eq!(shown, plain.json());
}

#[tokio::test]
async fn lists_take_other_shapes() {
    let world = world_of(2).await;
    let accept = [("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")];
    let list = world.send("GET", CONFIG_MAPS, &accept, "").await.expect(200);
    assert_eq!(
        (list["kind"].as_str(), list["apiVersion"].as_str()),
        (Some("PartialObjectMetadataList"), Some("meta.k8s.io/v1"))
    );
    assert_eq!(list["items"][1]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][1]["data"], Value::Null);
    let table = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let rows =
        world.send("GET", &format!("{CONFIG_MAPS}?includeObject=None&limit=1"), &table, "").await.expect(200);
    assert_eq!(rows["rows"][0]["object"], Value::Null);
    assert_eq!(rows["metadata"]["remainingItemCount"], 1);
    let rows =
        world.send("GET", &format!("{CONFIG_MAPS}?includeObject=Object"), &table, "").await.expect(200);
    assert_eq!(rows["rows"][0]["object"]["data"]["k"], "v");
    let pretty = world.send("GET", &format!("{CONFIG_MAPS}?pretty=true"), &[], "").await;
    assert!(pretty.bytes.starts_with(b"{\n  \"kind\": \"ConfigMapList\",\n"));
    let (code, message) = world.send("GET", CONFIG_MAPS, &[("accept", "text/html")], "").await.failure();
    assert_eq!(code, 406);
    assert!(message.starts_with("only the following media types are accepted: application/json, "));
}
