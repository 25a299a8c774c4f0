//! Custom resources, from their definition to their end.

use serde_json::{Value, json};

use super::support::{Answer, Asker, TestServer};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition() -> Value {
    let schema = json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 10},
                    "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                    "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2},
                    "port": {"x-kubernetes-int-or-string": true},
                    "replicas": {"type": "integer"},
                    "note": {"type": "string", "nullable": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"],
                        "items": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {"id": {"type": "string"}, "weight": {"type": "integer"}},
                        },
                    },
                },
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "ready": {"type": "boolean"}}},
        },
    });
    let version = |name: &str, storage: bool| {
        json!({
            "name": name,
            "served": true,
            "storage": storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
            },
            "selectableFields": [{"jsonPath": ".spec.color"}],
            "additionalPrinterColumns": [
                {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
            ],
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

#[track_caller]
fn expect(answer: Answer, code: u16) -> Value {
    assert_eq!(answer.code, code, "{}", answer.text);
    answer.json
}

async fn patch(admin: &Asker, path: &str, media_type: &str, body: Value) -> Answer {
    admin.send("PATCH", path, &[("content-type", media_type)], body).await
}

/// A server that serves widgets.
async fn with_widgets() -> (TestServer, Asker) {
    let server = TestServer::new().await;
    let admin = server.admin();
    expect(admin.post(DEFINITIONS, definition()).await, 201);
    server.eventually("widgets are served", async || admin.get(WIDGETS).await.code == 200).await;
    (server, admin)
}

#[tokio::test]
async fn definitions_are_named_established_and_shown() {
    let (_server, admin) = with_widgets().await;
    let definition = expect(admin.get(&format!("{DEFINITIONS}/widgets.example.com")).await, 200);
    let status = &definition["status"];
    assert_eq!(status["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(status["acceptedNames"]["singular"], "widget");
    assert_eq!(status["storedVersions"], json!(["v1"]));
    let condition = |index: usize| {
        let condition = &status["conditions"][index];
        [&condition["type"], &condition["status"], &condition["reason"], &condition["message"]]
            .map(Value::clone)
    };
    assert_eq!(condition(0), ["NamesAccepted", "True", "NoConflicts", "no conflicts found"]);
    let established = ["Established", "True", "InitialNamesAccepted", "the initial names have been accepted"];
    assert_eq!(condition(1), established);
    let resources = expect(admin.get("/apis/example.com/v1").await, 200);
    let names: Vec<&Value> =
        resources["resources"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["widgets", "widgets/scale", "widgets/status"]);
    assert_eq!(resources["resources"][0]["shortNames"], json!(["wd"]));
    let group = expect(admin.get("/apis/example.com").await, 200);
    assert_eq!(group["preferredVersion"]["version"], "v1");

    let clash = {
        let mut clash = self::definition();
        clash["metadata"]["name"] = "gadgets.example.com".into();
        clash["spec"]["names"] = json!({"plural": "gadgets", "kind": "Widget"});
        clash
    };
    expect(admin.post(DEFINITIONS, clash).await, 201);
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    _server
        .eventually("the clash is told", async || {
            let conditions = admin.get(&path).await.json["status"]["conditions"].clone();
            conditions[0]["reason"] == "ListKindConflict" && conditions[1]["reason"] == "NotAccepted"
        })
        .await;
    assert_eq!(admin.get("/apis/example.com/v1/gadgets").await.code, 404);
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_validated() {
    let (_server, admin) = with_widgets().await;
    let spec =
        json!({"size": 3, "extra": 1, "note": null, "replicas": null, "free": {"any": {"thing": [1]}}});
    let answer = admin.post(WIDGETS, widget("a", spec)).await;
    let warning = answer.headers.get("warning").unwrap().to_str().unwrap().to_owned();
    assert_eq!(warning, r#"299 - "unknown field \"spec.extra\"""#);
    let made = expect(answer, 201);
    let expected = json!({"color": "red", "free": {"any": {"thing": [1]}}, "note": null, "size": 3});
    assert_eq!(made["spec"], expected);
    assert_eq!(made["metadata"]["generation"], 1);

    let strict = format!("{WIDGETS}?fieldValidation=Strict");
    let refused = admin.post(&strict, widget("b", json!({"size": 3, "extra": 1}))).await;
    let message = "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \
                   \"spec.extra\"";
    assert_eq!((refused.code, refused.message()), (400, message));

    let check = async |spec: Value, expected: &str| {
        let answer = admin.post(WIDGETS, widget("b", spec)).await;
        assert_eq!(answer.code, 422, "{}", answer.text);
        let message = format!("Widget.example.com \"b\" is invalid: {expected}");
        assert_eq!(answer.message(), message);
    };
    check(json!({}), "spec.size: Required value").await;
    check(
        json!({"size": "x"}),
        "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
    )
    .await;
    check(
        json!({"size": 0}),
        "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
    )
    .await;
    check(
        json!({"size": 1, "color": "blue"}),
        "spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\"",
    )
    .await;
    check(
        json!({"size": 1, "name": "AB"}),
        "spec.name: Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'",
    )
    .await;
    check(
        json!({"size": 1, "port": true}),
        "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
    )
    .await;
    check(
        json!({"size": 1, "parts": [{"id": "x"}, {"id": "x"}]}),
        "spec.parts[1]: Duplicate value: {\"id\":\"x\"}",
    )
    .await;
}

#[tokio::test]
async fn objects_live_like_others() {
    let (_server, admin) = with_widgets().await;
    expect(
        admin.post(WIDGETS, widget("a", json!({"size": 1, "parts": [{"id": "x", "weight": 1}]}))).await,
        201,
    );
    let path = format!("{WIDGETS}/a");
    let merged = patch(&admin, &path, "application/merge-patch+json", json!({"spec": {"size": 2}})).await;
    let merged = expect(merged, 200);
    assert_eq!((&merged["spec"]["size"], &merged["metadata"]["generation"]), (&json!(2), &json!(2)));
    let operations = json!([{"op": "replace", "path": "/spec/color", "value": "green"}]);
    expect(patch(&admin, &path, "application/json-patch+json", operations).await, 200);
    let strategic = patch(&admin, &path, "application/strategic-merge-patch+json", json!({})).await;
    assert_eq!(strategic.code, 415);

    let status = json!({"status": {"replicas": 4, "ready": true}, "spec": {"size": 9}});
    let shown = patch(&admin, &format!("{path}/status"), "application/merge-patch+json", status).await;
    let shown = expect(shown, 200);
    assert_eq!((&shown["spec"]["size"], &shown["status"]["replicas"]), (&json!(2), &json!(4)));
    let wanted = json!({"spec": {"replicas": 7}});
    let scale = patch(&admin, &format!("{path}/scale"), "application/merge-patch+json", wanted).await;
    let scale = expect(scale, 200);
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(7), &json!(4)));

    let other = expect(admin.get("/apis/example.com/v1beta1/namespaces/default/widgets/a").await, 200);
    assert_eq!(
        (&other["apiVersion"], &other["spec"]["replicas"]),
        (&json!("example.com/v1beta1"), &json!(7))
    );

    expect(admin.post(WIDGETS, widget("b", json!({"size": 1}))).await, 201);
    let selected = expect(admin.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dgreen")).await, 200);
    assert_eq!((&selected["kind"], selected["items"].as_array().unwrap().len()), (&json!("WidgetList"), 1));
    assert_eq!(admin.get(&format!("{WIDGETS}?fieldSelector=spec.size%3D1")).await.code, 400);

    let table = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let table = expect(admin.send("GET", &path, &table, Value::Null).await, 200);
    assert_eq!(table["columnDefinitions"][1]["name"], "Size");
    assert_eq!(table["rows"][0]["cells"], json!(["a", 2, "green"]));
    let partial = [("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")];
    let partial = expect(admin.send("GET", &path, &partial, Value::Null).await, 200);
    assert_eq!((&partial["metadata"]["name"], partial.get("spec")), (&json!("a"), None));

    let stale = {
        let mut stale = widget("a", json!({"size": 1}));
        stale["metadata"]["resourceVersion"] = "1".into();
        stale
    };
    assert_eq!(admin.send("PUT", &path, &[], stale).await.code, 409);
    let unversioned = admin.send("PUT", &path, &[], widget("a", json!({"size": 1}))).await;
    assert!(
        unversioned.message().contains("metadata.resourceVersion: Invalid value: 0"),
        "{}",
        unversioned.text
    );
    expect(admin.delete(&path).await, 200);
    assert_eq!(admin.get(&path).await.code, 404);
}

#[tokio::test]
async fn applies_merge_by_the_keys_of_the_schema() {
    let (_server, admin) = with_widgets().await;
    let apply = async |manager: &str, spec: Value| {
        let path = format!("{WIDGETS}/a?fieldManager={manager}");
        patch(&admin, &path, "application/apply-patch+yaml", widget("a", spec)).await
    };
    expect(apply("one", json!({"size": 1, "parts": [{"id": "x", "weight": 1}]})).await, 201);
    let both = expect(apply("two", json!({"size": 1, "parts": [{"id": "y", "weight": 2}]})).await, 200);
    assert_eq!(both["spec"]["parts"], json!([{"id": "x", "weight": 1}, {"id": "y", "weight": 2}]));
    let conflict = apply("two", json!({"size": 2})).await;
    assert_eq!((conflict.code, &conflict.json["reason"]), (409, &json!("Conflict")));
    let without = expect(apply("two", json!({"size": 1})).await, 200);
    assert_eq!(without["spec"]["parts"], json!([{"id": "x", "weight": 1}]));
}

#[tokio::test]
async fn definitions_take_their_objects_with_them() {
    let (server, admin) = with_widgets().await;
    let held = {
        let mut held = widget("held", json!({"size": 1}));
        held["metadata"]["finalizers"] = json!(["example.com/hold"]);
        held
    };
    expect(admin.post(WIDGETS, held).await, 201);
    expect(admin.post(WIDGETS, widget("free", json!({"size": 1}))).await, 201);
    let definition = format!("{DEFINITIONS}/widgets.example.com");
    expect(admin.delete(&definition).await, 200);
    server
        .eventually("all but the held object are gone", async || {
            admin.get(WIDGETS).await.json["items"].as_array().is_some_and(|items| items.len() == 1)
        })
        .await;
    server
        .eventually("nothing new is taken in", async || {
            admin.post(WIDGETS, widget("late", json!({"size": 1}))).await.code == 405
        })
        .await;
    let release = json!({"metadata": {"finalizers": null}});
    expect(patch(&admin, &format!("{WIDGETS}/held"), "application/merge-patch+json", release).await, 200);
    server.eventually("the definition is gone", async || admin.get(&definition).await.code == 404).await;
    server.eventually("widgets are gone", async || admin.get(WIDGETS).await.code == 404).await;
    assert_eq!(admin.get("/apis/example.com").await.code, 404);
}

#[tokio::test]
async fn a_changed_definition_is_served_as_it_is_now() {
    let (server, admin) = with_widgets().await;
    expect(admin.post(WIDGETS, widget("a", json!({"size": 1}))).await, 201);
    let wider = json!([{
        "op": "add",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/shape",
        "value": {"type": "string", "default": "round"},
    }]);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    expect(patch(&admin, &path, "application/json-patch+json", wider).await, 200);
    server
        .eventually("the default is seen", async || {
            admin.get(&format!("{WIDGETS}/a")).await.json["spec"]["shape"] == "round"
        })
        .await;
}

#[tokio::test]
async fn schemas_are_published() {
    let (_server, admin) = with_widgets().await;
    let index = expect(admin.get("/openapi/v3").await, 200);
    assert!(index["paths"]["apis/example.com/v1"].is_object());
    let v3 = expect(admin.get("/openapi/v3/apis/example.com/v1").await, 200);
    let schema = &v3["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["properties"]["size"]["maximum"], 10);
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "kind": "Widget", "version": "v1"}])
    );
    let patch = &v3["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert!(patch["parameters"].as_array().unwrap().iter().any(|it| it["name"] == "fieldValidation"));
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_null());
    let v2 = expect(admin.get("/openapi/v2").await, 200);
    let schema = &v2["definitions"]["com.example.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(
        (&schema["size"], &schema["port"]),
        (&json!({"type": "integer"}), &json!({"x-kubernetes-int-or-string": true}))
    );
    assert!(v2["definitions"]["com.example.v1.WidgetList"].is_object());
}

#[tokio::test]
async fn expressions_judge_objects_and_changes() {
    let server = TestServer::new().await;
    let admin = server.admin();
    let definition = {
        let mut definition = definition();
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            let spec = &mut version["schema"]["openAPIV3Schema"]["properties"]["spec"];
            spec["x-kubernetes-validations"] =
                json!([{"rule": "!has(self.replicas) || self.replicas <= self.size", "message": "too many"}]);
            spec["properties"]["name"]["x-kubernetes-validations"] =
                json!([{"rule": "self == oldSelf", "message": "name is immutable"}]);
        }
        definition
    };
    expect(admin.post(DEFINITIONS, definition).await, 201);
    server.eventually("widgets are served", async || admin.get(WIDGETS).await.code == 200).await;
    let refused = admin.post(WIDGETS, widget("a", json!({"size": 1, "replicas": 2}))).await;
    let message = "Widget.example.com \"a\" is invalid: spec: Invalid value: \"object\": too many";
    assert_eq!((refused.code, refused.message()), (422, message));
    expect(admin.post(WIDGETS, widget("a", json!({"size": 2, "replicas": 2, "name": "first"}))).await, 201);
    let renamed = json!({"spec": {"name": "second"}});
    let refused = patch(&admin, &format!("{WIDGETS}/a"), "application/merge-patch+json", renamed).await;
    let message =
        "Widget.example.com \"a\" is invalid: spec.name: Invalid value: \"string\": name is immutable";
    assert_eq!((refused.code, refused.message()), (422, message));
}
