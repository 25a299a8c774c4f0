//! What holds for every stored resource, whatever its rules.

use serde_json::{Value, json};

use super::samples::sample;
use super::watches::Events;
use super::world::World;
use crate::endpoints::ServedResource;
use std::sync::Arc;

const NAMESPACE: &str = "default";

/// One resource with a sample object.
struct Subject {
    resource: Arc<ServedResource>,
    /// Path of the collection.
    collection: String,
    sample: Value,
}

impl Subject {
    fn name(&self) -> &str {
        self.sample["metadata"]["name"].as_str().unwrap()
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection, self.name())
    }

    fn has(&self, verb: &str) -> bool {
        self.resource.verbs.iter().any(|known| known == verb)
    }
}

/// All stored resources; a row without a sample fails, so that nothing escapes.
fn subjects(world: &World) -> Vec<Subject> {
    let mut resources = world.api.resources().all();
    resources.retain(|resource| resource.store.is_some());
    resources.sort_by_key(|resource| resource.resource.to_string());
    let subjects = resources.into_iter().map(|resource| {
        let (group, plural) = (resource.resource.group.to_string(), resource.resource.resource.to_string());
        let mut object =
            sample(&group, &plural).unwrap_or_else(|| panic!("no sample of {}", resource.resource));
        object["apiVersion"] = resource.api_version.clone().into();
        object["kind"] = resource.kind.kind.to_string().into();
        if object["metadata"].is_null() {
            object["metadata"] = json!({"name": "sample"});
        }
        object["metadata"]["labels"] = json!({"app": "x"});
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let within = if resource.namespaced { format!("/namespaces/{NAMESPACE}") } else { String::new() };
        let collection = format!("{root}/{}{within}/{plural}", resource.resource.version);
        Subject { resource, collection, sample: object }
    });
    subjects.collect()
}

/// Runs a case for every subject, each in a world of its own.
async fn for_all(case: impl AsyncFn(&World, &Subject)) {
    let count = subjects(&World::new()).len();
    assert!(count > 20, "{count}");
    for index in 0..count {
        let world = World::new();
        let mut all = subjects(&world);
        let subject = all.swap_remove(index);
        println!("{}", subject.resource.resource);
        case(&world, &subject).await;
    }
}

async fn created(world: &World, subject: &Subject) -> Value {
    world.post(&subject.collection, &subject.sample).await.expect(201)
}

#[tokio::test]
async fn creates_give_identity_and_are_read_back() {
    for_all(async |world, subject| {
        let mut posted = subject.sample.clone();
        posted["metadata"]["uid"] = "mine".into();
        posted["metadata"]["creationTimestamp"] = "2000-01-01T00:00:00Z".into();
        let object = world.post(&subject.collection, &posted).await.expect(201);
        let meta = &object["metadata"];
        assert_eq!(object["kind"], subject.sample["kind"]);
        assert_eq!(meta["uid"].as_str().map(str::len), Some(36));
        assert_ne!(meta["creationTimestamp"], "2000-01-01T00:00:00Z");
        assert!(meta["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > 0);
        assert!(meta["managedFields"].as_array().is_some_and(|entries| entries.len() == 1), "{meta}");
        assert_eq!(world.get(&subject.path()).await.expect(200), object);
        let (code, message) = world.post(&subject.collection, &subject.sample).await.failure();
        let resource = subject.resource.group_resource();
        assert_eq!((code, message), (409, format!("{resource} \"{}\" already exists", subject.name())));
    })
    .await;
}

#[tokio::test]
async fn creates_refuse_other_namespaces_and_versions() {
    for_all(async |world, subject| {
        if subject.resource.namespaced {
            let mut other = subject.sample.clone();
            other["metadata"]["namespace"] = "other".into();
            let (code, message) = world.post(&subject.collection, &other).await.failure();
            let expected =
                "the namespace of the provided object does not match the namespace sent on the request";
            assert_eq!((code, message.as_str()), (400, expected));
        }
        let mut versioned = subject.sample.clone();
        versioned["metadata"]["resourceVersion"] = "5".into();
        let (code, message) = world.post(&subject.collection, &versioned).await.failure();
        let expected = "resourceVersion should not be set on objects to be created";
        assert_eq!((code, message.as_str()), (500, expected));
        assert_eq!(world.keys().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn dry_runs_write_nothing() {
    for_all(async |world, subject| {
        let dry = format!("{}?dryRun=All", subject.collection);
        let object = world.post(&dry, &subject.sample).await.expect(201);
        assert_eq!(object["metadata"]["resourceVersion"], Value::Null);
        assert_eq!(world.keys().await, Vec::<String>::new());
        let object = created(world, subject).await;
        let path = format!("{}?dryRun=All", subject.path());
        if subject.has("patch") {
            let patch = json!({"metadata": {"labels": {"a": "b"}}});
            let patched = world.merge(&path, &patch).await.expect(200);
            assert_eq!(patched["metadata"]["labels"]["a"], "b");
        }
        world.delete(&path).await.expect(200);
        assert_eq!(world.get(&subject.path()).await.expect(200), object);
    })
    .await;
}

#[tokio::test]
async fn updates_check_names_versions_and_identity() {
    for_all(async |world, subject| {
        if !subject.has("update") {
            return;
        }
        let object = created(world, subject).await;
        let mut renamed = object.clone();
        renamed["metadata"]["name"] = "other".into();
        let (code, message) = world.put(&subject.path(), &renamed).await.failure();
        let expected =
            format!("the name of the object (other) does not match the name on the URL ({})", subject.name());
        assert_eq!((code, message), (400, expected));

        let mut stale = object.clone();
        stale["metadata"]["resourceVersion"] = "1".into();
        let (code, message) = world.put(&subject.path(), &stale).await.failure();
        let resource = subject.resource.group_resource();
        let expected = format!(
            "Operation cannot be fulfilled on {resource} \"{}\": the object has been modified; please apply your \
             changes to the latest version and try again",
            subject.name()
        );
        assert_eq!((code, message), (409, expected));

        let mut other = object.clone();
        other["metadata"]["uid"] = "other".into();
        let (code, message) = world.put(&subject.path(), &other).await.failure();
        assert_eq!(code, 409, "{message}");
        assert!(message.contains("Precondition failed: UID in precondition: other, UID in object meta: "));

        let unchanged = world.put(&subject.path(), &object).await.expect(200);
        assert_eq!(unchanged, object, "an update that changes nothing writes nothing");

        let mut labelled = object.clone();
        labelled["metadata"]["labels"]["new"] = "label".into();
        labelled["metadata"]["creationTimestamp"] = "2000-01-01T00:00:00Z".into();
        labelled["metadata"]["uid"] = Value::Null;
        let updated = world.put(&subject.path(), &labelled).await.expect(200);
        let (before, after) = (&object["metadata"], &updated["metadata"]);
        assert_eq!(after["uid"], before["uid"]);
        assert_eq!(after["creationTimestamp"], before["creationTimestamp"]);
        // The labels of endpoint slices are part of what they say.
        if subject.resource.resource.resource != "endpointslices" {
            assert_eq!(after["generation"], before["generation"]);
        }
        assert_eq!(after["labels"]["new"], "label");
        assert_ne!(after["resourceVersion"], before["resourceVersion"]);
    })
    .await;
}

#[tokio::test]
async fn patches_change_what_they_name_and_conflict_only_by_version() {
    for_all(async |world, subject| {
        if !subject.has("patch") {
            return;
        }
        let object = created(world, subject).await;
        for (number, media_type) in
            ["application/merge-patch+json", "application/strategic-merge-patch+json"].into_iter().enumerate()
        {
            let patch = json!({"metadata": {"annotations": {"n": number.to_string()}}});
            let patched = world.patch(&subject.path(), media_type, &patch).await.expect(200);
            assert_eq!(patched["metadata"]["annotations"]["n"], number.to_string());
            assert_eq!(patched["metadata"]["uid"], object["metadata"]["uid"]);
        }
        let patch = json!([{"op": "replace", "path": "/metadata/annotations/n", "value": "json"}]);
        let patched = world.patch(&subject.path(), "application/json-patch+json", &patch).await.expect(200);
        assert_eq!(patched["metadata"]["annotations"]["n"], "json");
        let stale = json!({"metadata": {"resourceVersion": "1", "annotations": {"n": "stale"}}});
        assert_eq!(world.merge(&subject.path(), &stale).await.failure().0, 409);
        let (code, _) = world.merge(&format!("{}/missing", subject.collection), &json!({})).await.failure();
        assert_eq!(code, 404);
        let (code, _) = world.patch(&subject.path(), "application/json", &json!({})).await.failure();
        assert_eq!(code, 415);
    })
    .await;
}

#[tokio::test]
async fn finalizers_hold_objects() {
    for_all(async |world, subject| {
        if !subject.has("patch") {
            return;
        }
        let mut held = subject.sample.clone();
        held["metadata"]["finalizers"] = json!(["example.com/hold"]);
        world.post(&subject.collection, &held).await.expect(201);
        let marked = world.delete(&subject.path()).await.expect(200);
        assert_eq!(marked["kind"], subject.sample["kind"], "an object that waits is shown");
        assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
        world.delete(&subject.path()).await.expect(200);
        let mut now = world.get(&subject.path()).await.expect(200);
        let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
        let (code, message) = world.merge(&subject.path(), &more).await.failure();
        assert_eq!(code, 422, "{message}");
        // Pods wait for their grace period too, namespaces for their own finalizers.
        let graceful =
            now["metadata"]["deletionGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds > 0);
        let own = now["spec"]["finalizers"].is_array();
        now["metadata"]["finalizers"] = Value::Null;
        world.put(&subject.path(), &now).await.expect(200);
        let after = world.get(&subject.path()).await.code.as_u16();
        assert_eq!(after, if graceful || own { 200 } else { 404 });
    })
    .await;
}

#[tokio::test]
async fn deletes_check_preconditions_and_remove() {
    for_all(async |world, subject| {
        let object = created(world, subject).await;
        let wrong = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "other"}});
        let (code, message) = world.send("DELETE", &subject.path(), &[], wrong.to_string()).await.failure();
        assert_eq!(code, 409);
        assert!(
            message.contains("the UID in the precondition (other) does not match the UID in record"),
            "{message}"
        );
        let right = json!({"preconditions": {"uid": object["metadata"]["uid"]}, "gracePeriodSeconds": 0});
        let answer = world.send("DELETE", &subject.path(), &[], right.to_string()).await.expect(200);
        if answer["kind"] == "Status" {
            assert_eq!(answer["status"], "Success");
            assert_eq!(answer["details"]["uid"], object["metadata"]["uid"]);
        } else {
            assert_eq!(answer["metadata"]["uid"], object["metadata"]["uid"]);
        }
        // Namespaces wait for their own finalizers, replication controllers let go of their pods first, definitions
        // take their instances with them.
        let waits = !object["spec"]["finalizers"].is_null()
            || answer["metadata"]["finalizers"] == json!(["orphan"])
            || answer["metadata"]["finalizers"] == json!(["customresourcecleanup.apiextensions.k8s.io"]);
        if !waits {
            let (code, message) = world.get(&subject.path()).await.failure();
            let resource = subject.resource.group_resource();
            assert_eq!((code, message), (404, format!("{resource} \"{}\" not found", subject.name())));
            assert_eq!(world.delete(&subject.path()).await.failure().0, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn every_encoding_says_the_same() {
    for_all(async |world, subject| {
        use machinery::codec::{json, protobuf, yaml};
        let object = created(world, subject).await;
        let accept = |value: &'static str| [("accept", value)];
        let answer =
            world.send("GET", &subject.path(), &accept("application/vnd.kubernetes.protobuf"), "").await;
        let envelope = protobuf::unwrap(&answer.bytes).unwrap();
        assert_eq!(
            (envelope.api_version, envelope.kind),
            (subject.resource.api_version.as_str(), &*subject.resource.kind.kind)
        );
        let schema = subject.resource.codec.schema().unwrap();
        let kind = Some((envelope.api_version, envelope.kind));
        assert_eq!(json::protobuf_to_value(schema, envelope.raw, kind), object);
        // What was read in protobuf can be written in protobuf.
        if subject.has("update") {
            let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
            let written = world.send("PUT", &subject.path(), &headers, answer.bytes).await.expect(200);
            assert_eq!(written, object);
        }
        let answer = world.send("GET", &subject.path(), &accept("application/yaml"), "").await;
        assert_eq!(yaml::from_str(std::str::from_utf8(&answer.bytes).unwrap()).unwrap(), object);
        let answer = world
            .send(
                "GET",
                &subject.path(),
                &accept("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
                "",
            )
            .await
            .expect(200);
        assert_eq!(answer["kind"], "PartialObjectMetadata");
        assert_eq!(answer["metadata"], object["metadata"]);
        let answer = world
            .send("GET", &subject.collection, &accept("application/json;as=Table;g=meta.k8s.io;v=v1"), "")
            .await
            .expect(200);
        assert_eq!(answer["kind"], "Table");
        let columns = answer["columnDefinitions"].as_array().unwrap().len();
        // Upstream's address rows have a cell more than there are columns.
        let extra = usize::from(subject.resource.resource.resource == "ipaddresses");
        assert_eq!(answer["rows"][0]["cells"].as_array().unwrap().len(), columns + extra);
        assert_eq!(answer["rows"][0]["object"]["metadata"]["uid"], object["metadata"]["uid"]);
    })
    .await;
}

#[tokio::test]
async fn lists_and_watches_agree() {
    for_all(async |world, subject| {
        let object = created(world, subject).await;
        let list = world.get(&subject.collection).await.expect(200);
        assert_eq!(list["kind"], subject.resource.list_kind);
        assert_eq!(list["apiVersion"], subject.resource.api_version);
        let item = &list["items"][0];
        assert_eq!(item["kind"], Value::Null, "items of typed lists leave their kind out");
        assert_eq!(item["metadata"], object["metadata"]);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let mut events = Events::open(world, &format!("{}?watch=1", subject.collection)).await;
        assert_eq!(events.next().await, Some(json!({"type": "ADDED", "object": object})));
    })
    .await;
}
