//! Scenarios of ownership, and tables for the walks below it. Objects are YAML.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::codec::yaml;
use crate::group::GroupVersionKind;
use crate::patch::shape::{Node, Shape, custom_resource};
use crate::patch::testing::THING;

const SHAPE: Shape<'static> = Shape::Struct(&THING);

fn read(text: &str) -> Value {
    yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_600_000_000 + second).unwrap_or_default()
}

/// One object and the requests made to it.
struct World {
    kind: GroupVersionKind,
    object: Value,
    clock: i64,
}

impl World {
    fn new() -> World {
        World { kind: GroupVersionKind::new("apps", "v1", "Thing"), object: empty_object(SHAPE), clock: 0 }
    }

    fn created(manager: &str, text: &str) -> World {
        let mut world = World::new();
        world.write(manager, "", text);
        world
    }

    fn with<T>(
        &mut self,
        subresource: &str,
        run: impl FnOnce(FieldManager<'_>, &Value, Timestamp) -> T,
    ) -> T {
        self.clock += 1;
        let versions = SingleVersion { api_version: "apps/v1", shape: SHAPE };
        let status_only = Filter::Exclude(Set::of_fields(&[&["spec"]]));
        let spec_only = Filter::Exclude(Set::of_fields(&[&["status"]]));
        let filter = Some(if subresource == "status" { &status_only } else { &spec_only });
        let manager = FieldManager { kind: &self.kind, subresource, filter, versions: &versions };
        run(manager, &self.object, at(self.clock))
    }

    /// An update which turns the object into what the text says; its metadata stay.
    fn write(&mut self, manager: &str, subresource: &str, text: &str) {
        let mut new = read(text);
        new["apiVersion"] = json!("apps/v1");
        new["kind"] = json!("Thing");
        let entries = self.with(subresource, |fields, live, now| fields.update(live, &new, manager, now));
        let entries = entries.unwrap_or_else(|error| panic!("{error}"));
        let entries: Vec<Value> = entries.iter().map(crate::Message::to_value).collect();
        new["metadata"]["managedFields"] = Value::Array(entries);
        new["metadata"]["uid"] = json!("1");
        self.object = new;
    }

    fn apply(&mut self, manager: &str, force: bool, text: &str) -> Result<(), String> {
        let mut config = read(text);
        config["apiVersion"] = json!("apps/v1");
        config["kind"] = json!("Thing");
        let result = self.with("", |fields, live, now| fields.apply(live, &config, manager, force, now));
        self.object = result.map_err(|error| error.to_string())?;
        self.object["metadata"]["uid"] = json!("1");
        Ok(())
    }

    /// The managers: name, operation, and the fields they own.
    fn owners(&self) -> Vec<String> {
        let entries = self.object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let show = |entry: &Value| {
            let set = Set::decode(&entry["fieldsV1"]).unwrap_or_else(|error| panic!("{error}"));
            let paths: Vec<String> = set.paths().iter().map(|path| show_path(path)).collect();
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let subresource = text("subresource");
            let subresource = if subresource.is_empty() { subresource } else { format!("/{subresource}") };
            format!("{}{subresource} {}: {}", text("manager"), text("operation"), paths.join(" "))
        };
        entries.iter().map(show).collect()
    }

    fn check_spec(&self, expected: &str) {
        assert_eq!(self.object["spec"], read(expected));
    }
}

#[test]
fn creators_own_what_they_set() {
    let world = World::created(
        "kubectl-create",
        "{metadata: {name: a, labels: {app: web}}, spec: {replicas: 1, containers: [{name: c, image: i, args: [p]}]}, status: {phase: up}}",
    );
    assert_eq!(
        world.owners(),
        [
            "kubectl-create Update: .metadata.labels .metadata.labels.app .spec.containers .spec.replicas .spec.containers[name=\"c\"] .spec.containers[name=\"c\"].args .spec.containers[name=\"c\"].image .spec.containers[name=\"c\"].name"
        ]
    );
}

#[test]
fn updates_move_ownership() {
    let mut world = World::created("one", "{spec: {replicas: 1, nodeSelector: {a: b}}}");
    world.write("two", "", "{spec: {replicas: 2, nodeSelector: {a: b, c: d}}}");
    assert_eq!(
        world.owners(),
        [
            "one Update: .spec.nodeSelector .spec.nodeSelector.a",
            "two Update: .spec.replicas .spec.nodeSelector.c",
        ]
    );
    world.write("two", "", "{spec: {replicas: 2}}");
    assert_eq!(world.owners(), ["two Update: .spec.replicas"]);
    world.write("two", "status", "{spec: {replicas: 2}, status: {phase: up}}");
    assert_eq!(world.owners(), ["two Update: .spec.replicas", "two/status Update: .status .status.phase",]);
}

#[test]
fn writes_without_change_keep_the_time() {
    let mut world = World::created("one", "{spec: {replicas: 1}}");
    let before = world.object.clone();
    world.write("one", "", "{spec: {replicas: 1}}");
    assert_eq!(world.object, before);
    world.write("other", "", "{spec: {replicas: 1}}");
    assert_eq!(world.object["metadata"]["managedFields"], before["metadata"]["managedFields"]);
}

#[test]
fn untracked_objects_stay_untracked_until_applied() {
    let mut world = World::new();
    world.object = read("{apiVersion: apps/v1, kind: Thing, metadata: {uid: '1'}, spec: {replicas: 1}}");
    world.write("one", "", "{spec: {replicas: 2}}");
    assert_eq!(world.owners(), [""; 0]);
    assert_eq!(world.apply("me", true, "{spec: {replicas: 3}}"), Ok(()));
    assert_eq!(world.owners(), ["me Apply: .spec.replicas"]);
    world.object =
        read("{apiVersion: apps/v1, kind: Thing, metadata: {uid: '1'}, spec: {replicas: 1, raw: {a: b}}}");
    assert_eq!(world.apply("me", true, "{spec: {replicas: 3}}"), Ok(()));
    assert_eq!(
        world.owners(),
        ["me Apply: .spec.replicas", "before-first-apply Update: .spec.raw .spec.raw.a"]
    );
}

#[test]
fn conflicts_are_named_and_may_be_forced() {
    let mut world = World::created("kubectl", "{spec: {replicas: 1, nodeSelector: {a: b}}}");
    let refused = world.apply("me", false, "{spec: {replicas: 2}}");
    let message = "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas";
    assert_eq!(refused, Err(message.to_owned()));
    let refused = world.apply("me", false, "{spec: {replicas: 2, nodeSelector: {a: c}}}");
    let message = "Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- .spec.replicas\n- .spec.nodeSelector.a";
    assert_eq!(refused, Err(message.to_owned()));
    assert_eq!(world.apply("me", true, "{spec: {replicas: 2}}"), Ok(()));
    world.check_spec("{replicas: 2, nodeSelector: {a: b}}");
    assert_eq!(
        world.owners(),
        ["me Apply: .spec.replicas", "kubectl Update: .spec.nodeSelector .spec.nodeSelector.a"]
    );
    // Setting what has that value already is no conflict: both own it.
    assert_eq!(world.apply("you", false, "{spec: {replicas: 2}}"), Ok(()));
    // As nothing changed, the new owner comes without a time, and therefore first.
    assert_eq!(world.owners()[0], "you Apply: .spec.replicas");
    let refused = world.apply("you", false, "{spec: {replicas: 5}}");
    assert_eq!(refused, Err("Apply failed with 1 conflict: conflict with \"me\": .spec.replicas".to_owned()));
}

#[test]
fn conflicts_answer_with_causes() {
    let mut world = World::created("kubectl", "{spec: {replicas: 1}}");
    world.write("scaler", "status", "{spec: {replicas: 1}, status: {readyReplicas: 1}}");
    let mut config = read("{apiVersion: apps/v1, kind: Thing, spec: {replicas: 2}}");
    let error = world.with("", |fields, live, now| fields.apply(live, &config, "me", false, now));
    let status = error.map_err(|error| error.to_status()).expect_err("a conflict");
    assert_eq!((status.code(), status.reason()), (409, "Conflict"));
    let causes = status.status.details.map(|details| details.causes).unwrap_or_default();
    let causes: Vec<_> = causes
        .iter()
        .map(|cause| (cause.reason.as_str(), cause.field.as_str(), cause.message.as_str()))
        .collect();
    assert_eq!(
        causes,
        [("FieldManagerConflict", ".spec.replicas", "conflict with \"kubectl\" using apps/v1")]
    );

    config["kind"] = json!("Other");
    let error = world.with("", |fields, live, now| fields.apply(live, &config, "me", false, now));
    assert_eq!(error, Err(ApplyError::BadRequest("invalid object type: apps/v1, Kind=Other".to_owned())));
    let config = read("{apiVersion: apps/v1, kind: Thing, metadata: {managedFields: []}}");
    let error = world.with("", |fields, live, now| fields.apply(live, &config, "me", false, now));
    assert_eq!(error, Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned())));
}

#[test]
fn what_is_applied_no_longer_goes() {
    let mut world = World::new();
    let first = "{metadata: {labels: {l: v}}, spec: {replicas: 1, nodeSelector: {a: b, c: d}, containers: [{name: x, image: i, env: [{name: E, value: '1'}]}, {name: z}]}}";
    assert_eq!(world.apply("me", false, first), Ok(()));
    assert_eq!(world.apply("you", false, "{spec: {nodeSelector: {c: d}}}"), Ok(()));
    assert_eq!(world.apply("me", false, "{spec: {containers: [{name: x, image: i}]}}"), Ok(()));
    world.check_spec("{nodeSelector: {c: d}, containers: [{name: x, image: i}]}");
    assert_eq!(world.object["metadata"].get("labels"), None);
    assert_eq!(
        world.owners(),
        [
            "me Apply: .spec.containers[name=\"x\"] .spec.containers[name=\"x\"].image .spec.containers[name=\"x\"].name",
            "you Apply: .spec.nodeSelector.c",
        ]
        .map(str::to_owned)
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
    );
}

#[test]
fn what_others_added_stays() {
    let mut world = World::new();
    assert_eq!(world.apply("me", false, "{spec: {containers: [{name: x}]}}"), Ok(()));
    world.write(
        "controller",
        "",
        "{spec: {replicas: 3, containers: [{name: x, image: set}, {name: sidecar}]}}",
    );
    assert_eq!(world.apply("me", false, "{spec: {containers: [{name: w}, {name: x}]}}"), Ok(()));
    world.check_spec("{replicas: 3, containers: [{name: w}, {name: x, image: set}, {name: sidecar}]}");
    assert_eq!(world.apply("me", false, "{spec: {}}"), Ok(()));
    // An element belongs to who made it: it goes with all that others set in it.
    world.check_spec("{replicas: 3, containers: [{name: sidecar}]}");
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let mut world = World::new();
    let config = "{spec: {replicas: 1, selector: {matchLabels: {a: b}}, raw: {x: [1, {b: 1.5}]}}}";
    assert_eq!(world.apply("me", false, config), Ok(()));
    let before = world.object.clone();
    assert_eq!(world.apply("me", false, config), Ok(()));
    assert_eq!(world.object, before);
    assert_eq!(world.owners(), ["me Apply: .spec.replicas .spec.selector .spec.raw.x"]);
}

#[test]
fn configurations_must_fit_the_kind() {
    let mut world = World::new();
    let prefix = "failed to create typed patch object (/; apps/v1, Kind=Thing): ";
    for (config, expected) in [
        ("{spec: {odd: 1}}", ".spec.odd: field not declared in schema"),
        ("{spec: {replicas: many}}", ".spec.replicas: expected numeric (int or float), got \"many\""),
        (
            "{spec: {containers: [{image: i}]}}",
            ".spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
        (
            "{spec: {containers: [{name: a}, {name: a}]}}",
            ".spec.containers: duplicate entries for key [name=\"a\"]",
        ),
        (
            "{metadata: {finalizers: [a, {}]}}",
            ".metadata.finalizers: element 1: associative list without keys has an element that's a map type",
        ),
        ("{spec: [], status: 5}", "errors:\n  .spec: expected map, got []\n  .status: expected map, got 5"),
    ] {
        assert_eq!(world.apply("me", false, config), Err(format!("{prefix}{expected}")), "{config}");
    }
}

#[test]
fn client_side_appliers_may_change_what_they_applied_last() {
    let config = "{metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"apiVersion\":\"apps/v1\",\"kind\":\"Thing\",\"spec\":{\"replicas\":1}}'}}, spec: {replicas: 1}}";
    let mut world = World::created("kubectl-client-side-apply", config);
    let refused = world.apply("me", false, "{spec: {replicas: 2}}");
    assert!(refused.is_err());
    assert_eq!(world.apply("kubectl", false, "{metadata: {name: obj}, spec: {replicas: 2}}"), Ok(()));
    world.check_spec("{replicas: 2}");
    assert_eq!(
        world.object["metadata"]["annotations"][LAST_APPLIED_ANNOTATION],
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"obj\"},\"spec\":{\"replicas\":2}}\n"
    );
}

#[test]
fn resetting_forgets_everyone() {
    let mut world = World::created("one", "{spec: {replicas: 1}}");
    world.write("two", "", "{metadata: {managedFields: [{}]}, spec: {replicas: 1}}");
    assert_eq!(world.owners(), [""; 0]);
    assert!(is_reset(&read("{metadata: {managedFields: []}}")));
    assert!(!is_reset(&read("{metadata: {}}")));
    assert!(!is_reset(&read("{metadata: {managedFields: [{manager: a}]}}")));
}

#[test]
fn many_updaters_are_merged() {
    let mut world = World::created("m0", "{spec: {nodeSelector: {k0: v}}}");
    let mut labels = vec!["k0: v".to_owned()];
    for number in 1..14 {
        labels.push(format!("k{number}: v"));
        let text = format!("{{spec: {{nodeSelector: {{{}}}}}}}", labels.join(", "));
        world.write(&format!("m{number}"), "", &text);
    }
    let owners = world.owners();
    assert_eq!(owners.len(), 10);
    assert!(owners[0].starts_with("ancient-changes Update: .spec.nodeSelector .spec.nodeSelector.k0"));
}

#[test]
fn encoding() {
    let set = Set::decode(&json!({
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}},
                   "f:finalizers": {"v:\"a<b\"": {}, "i:3": {}, "x:new": {}}},
    }))
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        set.to_string(),
        ".metadata.labels\n.metadata.labels.app\n.spec.finalizers[=\"a<b\"]\n.spec.finalizers[3]\n.spec.ports[containerPort=80,protocol=\"TCP\"]\n.spec.ports[containerPort=80,protocol=\"TCP\"].name"
    );
    assert_eq!(
        set.encode().to_string(),
        "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:app\":{}}},\"f:spec\":{\"f:finalizers\":{\"v:\\\"a\\\\u003cb\\\"\":{},\"i:3\":{}},\"f:ports\":{\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{}}}}}"
    );
    for bad in ["f", "fx", "k:x", "i:x", "v:"] {
        assert!(Set::decode(&json!({bad: {}})).is_err(), "{bad}");
    }
    assert_eq!(Set::decode(&json!({})), Ok(Set::new()));
}

#[test]
fn comparisons() {
    let check = |old: &str, new: &str, expected: [&str; 3]| {
        let found = compare(&read(old), &read(new), SHAPE).unwrap_or_else(|error| panic!("{error}"));
        let show = |set: &Set| set.to_string().replace('\n', " ");
        assert_eq!(
            [show(&found.removed), show(&found.modified), show(&found.added)],
            expected,
            "{old} {new}"
        );
    };
    check("{spec: {replicas: 1}}", "{spec: {replicas: 1}}", ["", "", ""]);
    check("{spec: {replicas: 1}}", "{spec: {replicas: 2}}", ["", ".spec.replicas", ""]);
    check("{spec: {replicas: 1}}", "{spec: {}}", [".spec.replicas", "", ""]);
    check("{}", "{spec: {replicas: 1}}", ["", "", ".spec .spec.replicas"]);
    check("{spec: {}}", "{}", [".spec", "", ""]);
    check("{spec: {nodeSelector: {}}}", "{spec: {nodeSelector: null}}", ["", ".spec.nodeSelector", ""]);
    check("{spec: {raw: {a: 1}}}", "{spec: {raw: {a: {b: 2}}}}", ["", ".spec.raw.a", ".spec.raw.a.b"]);
    check("{spec: {raw: {a: [1]}}}", "{spec: {raw: {a: [1, 2]}}}", ["", ".spec.raw.a", ""]);
    check(
        "{metadata: {finalizers: [a, b]}}",
        "{metadata: {finalizers: [b, c]}}",
        [".metadata.finalizers[=\"a\"]", "", ".metadata.finalizers[=\"c\"]"],
    );
    check(
        "{spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}",
        "{spec: {containers: [{name: c, ports: [{containerPort: 80, protocol: TCP, name: x}]}]}}",
        [
            "",
            "",
            ".spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"].name .spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"].protocol",
        ],
    );
    check(
        "{spec: {containers: [{name: c, image: a}, {name: c, image: b}]}}",
        "{spec: {containers: [{name: c, image: a}]}}",
        [
            ".spec.containers[name=\"c\"]",
            "",
            ".spec.containers[name=\"c\"] .spec.containers[name=\"c\"].image .spec.containers[name=\"c\"].name",
        ],
    );
}

#[test]
fn merged_lists_keep_both_orders() {
    let check = |live: &str, partial: &str, expected: &str| {
        let wrap = |list: &str| read(&format!("{{metadata: {{finalizers: [{list}]}}}}"));
        let merged = merge(&wrap(live), &wrap(partial), SHAPE);
        assert_eq!(merged, Ok(wrap(expected)), "{live} {partial}");
    };
    check("a, b, c", "c, a", "b, c, a");
    check("a, b, c", "", "a, b, c");
    check("", "a, b", "a, b");
    check("a, b", "x, b", "a, x, b");
    check("b, d", "a, b, c, d, e", "a, b, c, d, e");
    check("a, b, c, d", "d, c, b, a", "d, c, b, a");
    check("a, a, b", "b, a", "b, a");
}

#[test]
fn removing_and_extracting() {
    let object =
        read("{spec: {replicas: 1, nodeSelector: {a: b}, containers: [{name: c, image: i}, {name: d}]}}");
    let set = |paths: &[&str]| {
        let mut set = Set::new();
        for path in paths {
            let steps: Vec<PathElement> = path
                .split(' ')
                .map(|step| PathElement::decode(step).ok().flatten().unwrap_or(PathElement::Index(0)))
                .collect();
            set.insert(&steps);
        }
        set
    };
    let chosen = set(&["f:spec f:nodeSelector f:a", "f:spec f:containers k:{\"name\":\"c\"} f:image"]);
    assert_eq!(
        remove(&object, &chosen, SHAPE),
        read("{spec: {replicas: 1, nodeSelector: {}, containers: [{name: c}, {name: d}]}}")
    );
    assert_eq!(
        extract(&object, &chosen, SHAPE),
        read("{spec: {nodeSelector: {a: b}, containers: [{name: c, image: i}]}}")
    );
}

#[test]
fn filters() {
    let set = field_set(
        &read(
            "{metadata: {labels: {a: b}}, spec: {replicas: 1, containers: [{name: c, image: i, limits: {cpu: '1'}}]}}",
        ),
        SHAPE,
    );
    let set = set.unwrap_or_else(|error| panic!("{error}"));
    let field = |name: &str| Some(PathElement::field(name));
    let limits = Filter::Include(vec![vec![field("spec"), field("containers"), None, field("limits")]]);
    assert_eq!(
        limits.apply(&set).to_string(),
        ".spec.containers[name=\"c\"]\n.spec.containers[name=\"c\"].limits.cpu"
    );
    let no_spec = Filter::Exclude(Set::of_fields(&[&["spec"]]));
    assert_eq!(no_spec.apply(&set).to_string(), ".metadata.labels.a");
}

#[test]
fn custom_resources_merge_by_their_schema() {
    let schema = read(
        "{type: object, properties: {spec: {type: object, properties: {
           atomicList: {type: array, items: {type: string}},
           tags: {type: array, x-kubernetes-list-type: set, items: {type: string}},
           ports: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [port, proto],
             items: {type: object, properties: {port: {type: integer}, proto: {type: string, default: TCP}, name: {type: string}}}},
           ref: {type: object, x-kubernetes-map-type: atomic, properties: {name: {type: string}}},
           free: {type: object, x-kubernetes-preserve-unknown-fields: true},
           amount: {x-kubernetes-int-or-string: true},
           template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true},
           labels: {type: object, additionalProperties: {type: string}}}}}}",
    );
    let node = custom_resource(Some(&schema));
    let shape = Shape::Node(&node);
    let check = |object: &str, expected: &str| {
        let set = field_set(&read(object), shape).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(set.to_string().replace('\n', " "), expected, "{object}");
    };
    check("{metadata: {labels: {a: b}}}", ".metadata.labels.a");
    check("{spec: {atomicList: [a], tags: [b]}}", ".spec.atomicList .spec.tags[=\"b\"]");
    check(
        "{spec: {ports: [{port: 1}]}}",
        ".spec.ports[port=1,proto=\"TCP\"] .spec.ports[port=1,proto=\"TCP\"].port",
    );
    check("{spec: {ref: {name: a}, free: {a: {b: [1]}}}}", ".spec.ref .spec.free.a .spec.free.a.b");
    check("{spec: {template: {metadata: {name: a}, x: 1}}}", ".spec.template.x .spec.template.metadata.name");
    check("{spec: {labels: {a: b}}}", ".spec.labels.a");
    for (object, expected) in [
        ("{spec: {amount: 50%}}", Ok(())),
        ("{spec: {amount: 5}}", Ok(())),
        ("{spec: {amount: []}}", Err(".spec.amount: expected any scalar, got []")),
        ("{spec: {odd: 1}}", Err(".spec.odd: field not declared in schema")),
        ("{spec: {tags: [a, a]}}", Err(".spec.tags: duplicate entries for key [=\"a\"]")),
    ] {
        let result = validate(&read(object), shape, false).map_err(|error| error.to_string());
        assert_eq!(result, expected.map_err(str::to_owned), "{object}");
    }
    let free = custom_resource(None);
    assert_eq!(
        validate(&read("{spec: {x: {z: [1]}}, metadata: {name: a}}"), Shape::Node(&free), false),
        Ok(())
    );
    assert!(Node::from_schema(&json!({"type": "boolean"})).scalar.is_some());
}

#[test]
fn sets_follow_a_shape_which_became_atomic() {
    let mut world = World::created("one", "{spec: {selector: {matchLabels: {a: b}}}}");
    let granular = json!({"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}}});
    world.object["metadata"]["managedFields"][0]["fieldsV1"] = granular;
    world.write("two", "", "{spec: {selector: {matchLabels: {a: b}}, replicas: 1}}");
    assert_eq!(world.owners(), ["one Update: .spec.selector", "two Update: .spec.replicas"]);
}

#[test]
fn scales_share_ownership_with_their_parent() {
    let mut world = World::created("one", "{spec: {replicas: 1, nodeSelector: {a: b}}}");
    let entries = |object: &Value| -> Vec<crate::meta::v1::ManagedFieldsEntry> {
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| crate::Message::from_value(entry).ok()).collect()
    };
    let path = vec![PathElement::field("spec"), PathElement::field("replicas")];
    let paths = scale::ReplicasPaths::from([("apps/v1".to_owned(), Some(path))]);
    let parent = entries(&world.object);
    let of_scale = scale::to_scale(&parent, &paths).unwrap_or_default();
    assert_eq!(of_scale.len(), 1);
    assert_eq!((of_scale[0].manager.as_str(), of_scale[0].api_version.as_str()), ("one", "autoscaling/v1"));

    let mut taken = of_scale.clone();
    taken[0].manager = "scaler".to_owned();
    taken[0].subresource = "scale".to_owned();
    let after = scale::to_parent(&parent, &taken, "apps/v1", &paths).unwrap_or_default();
    let after: Vec<Value> = after.iter().map(crate::Message::to_value).collect();
    world.object["metadata"]["managedFields"] = Value::Array(after);
    assert_eq!(
        world.owners(),
        ["scaler/scale Update: .spec.replicas", "one Update: .spec.nodeSelector .spec.nodeSelector.a",]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    let unchanged = scale::to_parent(&parent, &of_scale, "apps/v1", &paths);
    assert_eq!(unchanged, Ok(parent));
}

#[test]
fn times_alone_are_no_change() {
    let entry = |name: &str, second: i64| crate::meta::v1::ManagedFieldsEntry {
        manager: name.to_owned(),
        time: Some(at(second).into()),
        ..Default::default()
    };
    assert!(differ_in_time_only(&[entry("a", 1)], &[entry("a", 2)]));
    assert!(!differ_in_time_only(&[entry("a", 1)], &[entry("a", 1)]));
    assert!(!differ_in_time_only(&[entry("a", 1)], &[entry("b", 2)]));
    assert!(!differ_in_time_only(&[], &[]));
}

#[test]
fn names_of_managers() {
    assert_eq!(manager_name("given", "kubectl/v1.36"), "given");
    assert_eq!(manager_name("", "kubectl/v1.36 (linux)"), "kubectl");
    assert_eq!(manager_name("", ""), "");
    assert_eq!(manager_name("", &"x".repeat(200)).len(), 128);
}
