//! Frames, starts, filters and ends of watches.

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::world::{CONFIG_MAPS, World, config_map};
use crate::chain::body::Body;

/// Reads events from an open watch.
pub struct Events {
    body: Body,
    rest: Vec<u8>,
}

impl Events {
    pub async fn open(world: &World, target: &str) -> Events {
        let (response, _) = world.open("GET", target, &[], Bytes::new()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        Events { body: response.into_body(), rest: Vec::new() }
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.rest.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Type and name of the next events.
    async fn take(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            let event = self.next().await.expect("the watch goes on");
            let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
            seen.push(format!("{} {name}", event["type"].as_str().unwrap()).trim_end().to_owned());
        }
        seen
    }
}

#[tokio::test]
async fn a_watch_follows_an_object() {
    let world = World::new();
    let mut events = Events::open(&world, &format!("{CONFIG_MAPS}?watch=true")).await;
    let made = world.post(CONFIG_MAPS, &config_map("a", "k", "1")).await.expect(201);
    let event = events.next().await.unwrap();
    assert_eq!(event, json!({"type": "ADDED", "object": made}));
    let changed = world.merge(&format!("{CONFIG_MAPS}/a"), &json!({"data": {"k": "2"}})).await.expect(200);
    assert_eq!(events.next().await.unwrap(), json!({"type": "MODIFIED", "object": changed}));
    world.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    let gone = events.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    let version =
        |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(version(&gone["object"]) > version(&changed), "a deletion has a version of its own");
}

#[tokio::test]
async fn selectors_make_events_of_their_own() {
    let world = World::new();
    let target = format!("{CONFIG_MAPS}?watch=true&labelSelector=app%3Dx");
    let mut events = Events::open(&world, &target).await;
    let label = |value: &str| json!({"metadata": {"labels": {"app": value}}});
    world.post(CONFIG_MAPS, &config_map("a", "k", "1")).await.expect(201);
    for value in ["x", "x2", "x"] {
        world.merge(&format!("{CONFIG_MAPS}/a"), &label(value)).await.expect(200);
    }
    world.merge(&format!("{CONFIG_MAPS}/a"), &json!({"data": {"k": "2"}})).await.expect(200);
    world.delete(&format!("{CONFIG_MAPS}/a")).await.expect(200);
    assert_eq!(events.take(5).await, ["ADDED a", "DELETED a", "ADDED a", "MODIFIED a", "DELETED a"]);
}

#[tokio::test]
async fn starts() {
    let world = World::new();
    world.get(CONFIG_MAPS).await.expect(200);
    let first = world.post(CONFIG_MAPS, &config_map("a", "k", "1")).await.expect(201);
    world.post(CONFIG_MAPS, &config_map("b", "k", "1")).await.expect(201);
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    world.get(CONFIG_MAPS).await.expect(200);
    let mut after = Events::open(&world, &format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}")).await;
    assert_eq!(after.take(1).await, ["ADDED b"]);
    let streaming =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut initial = Events::open(&world, &format!("{CONFIG_MAPS}?{streaming}")).await;
    assert_eq!(initial.take(2).await, ["ADDED a", "ADDED b"]);
    let bookmark = initial.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "ConfigMap");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let mut without = Events::open(
        &world,
        &format!("{CONFIG_MAPS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"),
    )
    .await;
    world.post(CONFIG_MAPS, &config_map("c", "k", "1")).await.expect(201);
    assert_eq!(without.take(1).await, ["ADDED c"]);
    assert_eq!(initial.take(1).await, ["ADDED c"]);
    // One object by name, as kubectl watches it.
    let mut single =
        Events::open(&world, &format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Db")).await;
    assert_eq!(single.take(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn a_version_that_is_too_old_is_told_in_the_first_event() {
    let world = World::new();
    world.post(CONFIG_MAPS, &config_map("a", "k", "1")).await.expect(201);
    let late = World::over(world.storage.clone());
    late.get(CONFIG_MAPS).await.expect(200);
    let mut events = Events::open(&late, &format!("{CONFIG_MAPS}?watch=1&resourceVersion=1")).await;
    let event = events.next().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(event["object"]["reason"], "Expired");
    assert_eq!(event["object"]["message"], "too old resource version: 1 (2)");
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn watches_end_in_time_after_a_last_bookmark() {
    let world = World::new();
    let started = tokio::time::Instant::now();
    let target =
        format!("{CONFIG_MAPS}?watch=1&resourceVersion=1&timeoutSeconds=30&allowWatchBookmarks=true");
    let mut events = Events::open(&world, &target).await;
    assert_eq!(events.take(1).await, ["BOOKMARK"]);
    assert_eq!(started.elapsed().as_secs(), 28);
    assert_eq!(events.next().await, None);
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn protobuf_frames_are_length_delimited() {
    let world = World::new();
    let made = world.post(CONFIG_MAPS, &config_map("a", "k", "1")).await.expect(201);
    let accept = [("accept", "application/vnd.kubernetes.protobuf;stream=watch")];
    let target = format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1");
    let answer = world.send("GET", &target, &accept, "").await;
    assert_eq!(answer.headers["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let (length, frame) = answer.bytes.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, frame.len());
    use machinery::Message;
    let event = machinery::meta::v1::WatchEvent::decode(frame).unwrap();
    assert_eq!(event.type_, "ADDED");
    let envelope = machinery::codec::protobuf::unwrap(&event.object.raw).unwrap();
    assert_eq!(envelope.kind, "ConfigMap");
    let schema = api_types::facts::kind("", "v1", "ConfigMap").unwrap().schema;
    assert_eq!(
        machinery::codec::json::protobuf_to_value(schema, envelope.raw, Some(("v1", "ConfigMap"))),
        made
    );
}

#[tokio::test]
async fn tables_of_a_watch_describe_their_columns_once() {
    let world = World::new();
    for name in ["a", "b"] {
        world.post(CONFIG_MAPS, &config_map(name, "k", "1")).await.expect(201);
    }
    let accept = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let answer = world.send("GET", &format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1"), &accept, "").await;
    let lines: Vec<Value> = answer
        .bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0]["object"]["columnDefinitions"].is_array());
    assert!(lines[1]["object"]["columnDefinitions"].is_null());
    assert_eq!(lines[1]["object"]["rows"][0]["cells"][0], "b");
}
