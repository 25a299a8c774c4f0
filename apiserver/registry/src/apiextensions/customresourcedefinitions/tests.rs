//! Tables of cases about definitions.

use api_types::apiextensions::v1::CustomResourceDefinition;
use machinery::Message;
use serde_json::{Value, json};

use super::conditions::{ESTABLISHED, Taken, accept_names, is_true, set};
use super::{CustomResourceDefinitions, validation};
use crate::Strategy;

fn definition(schema: Value) -> Value {
    json!({
        "metadata": {"name": "foos.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

fn typed(value: &Value) -> CustomResourceDefinition {
    let mut definition = CustomResourceDefinition::from_value(value).unwrap();
    CustomResourceDefinitions.default(&mut definition);
    definition
}

fn objections(value: &Value) -> Vec<String> {
    validation::validate(&typed(value)).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_schema(property: Value, expected: &[&str]) {
    let schema = json!({"type": "object", "properties": {"a": property}});
    let at = "spec.versions[0].schema.openAPIV3Schema.properties[a]";
    let expected: Vec<String> = expected.iter().map(|text| format!("{at}{text}")).collect();
    assert_eq!(objections(&definition(schema)), expected);
}

#[test]
fn schemas_are_structural() {
    check_schema(json!({"type": "string"}), &[]);
    check_schema(
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        &[],
    );
    check_schema(json!({"x-kubernetes-preserve-unknown-fields": true}), &[]);
    check_schema(json!({}), &[".type: Required value: must not be empty for specified object fields"]);
    check_schema(json!({"type": "array"}), &[".items: Required value: must be specified"]);
    check_schema(
        json!({"type": "string", "anyOf": [{"type": "string"}]}),
        &[".anyOf[0].type: Forbidden: must be empty to be structural"],
    );
    check_schema(
        json!({"type": "text"}),
        &[
            ".type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \
           \"object\", \"string\"",
        ],
    );
    check_schema(
        json!({"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        &[".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
    );
    check_schema(
        json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
        &[".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"],
    );
    check_schema(
        json!({"type": "string", "default": 1}),
        &[".default: Invalid value: \"integer\":  in body must be of type string: \"integer\""],
    );
    check_schema(
        json!({"type": "object", "default": {"x": 1}, "properties": {"y": {"type": "string"}}}),
        &[".default: Invalid value: {\"x\":1}: must not have unknown fields"],
    );
    check_schema(json!({"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]}), &[]);
    check_schema(
        json!({"type": "string", "x-kubernetes-validations": [{"rule": ""}]}),
        &[".x-kubernetes-validations[0].rule: Required value: rule is not specified"],
    );
    check_schema(
        json!({"type": "string", "x-kubernetes-validations": [{"rule": "1"}]}),
        &[".x-kubernetes-validations[0].rule: Invalid value: {\"rule\":\"1\"}: must evaluate to bool"],
    );
}

#[test]
fn names_versions_and_paths() {
    let check = |change: &dyn Fn(&mut Value), expected: &[&str]| {
        let mut value = definition(json!({"type": "object"}));
        change(&mut value);
        assert_eq!(objections(&value), expected);
    };
    check(&|_| {}, &[]);
    check(
        &|value| value["metadata"]["name"] = "bars.example.com".into(),
        &["metadata.name: Invalid value: \"bars.example.com\": must be spec.names.plural+\".\"+spec.group"],
    );
    check(
        &|value| value["spec"]["scope"] = "Everywhere".into(),
        &["spec.scope: Unsupported value: \"Everywhere\": supported values: \"Cluster\", \"Namespaced\""],
    );
    check(
        &|value| value["spec"]["names"]["listKind"] = "Foo".into(),
        &["spec.names.listKind: Invalid value: \"Foo\": kind and listKind may not be the same"],
    );
    check(
        &|value| value["spec"]["versions"][0]["schema"] = Value::Null,
        &["spec.versions[0].schema.openAPIV3Schema: Required value"],
    );
    check(
        &|value| value["spec"]["preserveUnknownFields"] = true.into(),
        &["spec.preserveUnknownFields: Invalid value: true: cannot set to true, set \
           x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"],
    );
    check(
        &|value| {
            value["spec"]["versions"][0]["additionalPrinterColumns"] =
                json!([{"name": "A", "type": "text", "jsonPath": "spec"}]);
        },
        &[
            "spec.versions[0].additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of \
             boolean,date,integer,number,string",
            "spec.versions[0].additionalPrinterColumns[0].JSONPath: Invalid value: \"spec\": must be a simple json \
             path starting with .",
        ],
    );
    check(
        &|value| {
            value["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": ".status.replicas", "statusReplicasPath": ".status.replicas"}});
        },
        &[
            "spec.versions[0].subresources.scale.specReplicasPath: Invalid value: \".status.replicas\": should be a json \
           path under .spec",
        ],
    );
    check(
        &|value| value["spec"]["conversion"] = json!({"strategy": "Webhook"}),
        &[
            "spec.conversion.strategy: Invalid value: \"Webhook\": conversion webhooks are not called by this server; use \
           None, which changes the apiVersion alone",
        ],
    );
    check(
        &|value| {
            value["spec"]["group"] = "a.k8s.io".into();
            value["metadata"]["name"] = "foos.a.k8s.io".into();
        },
        &[
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval \
           annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
        ],
    );
}

#[test]
fn established_names_stay() {
    let old = {
        let mut old = typed(&definition(json!({"type": "object"})));
        set(&mut old, ESTABLISHED, "True", "", "", jiff::Timestamp::UNIX_EPOCH);
        old
    };
    let mut new = old.clone();
    new.spec.names.kind = "Bar".to_owned();
    let errors: Vec<String> =
        validation::validate_update(&new, &old).iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["spec.names.kind: Invalid value: \"Bar\": field is immutable"]);
}

#[test]
fn the_first_gets_the_name() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut first = typed(&definition(json!({"type": "object"})));
    accept_names(&mut first, &Taken::default(), now);
    assert!(is_true(&first, ESTABLISHED));
    let mut second = first.clone();
    second.metadata.name = "others.example.com".to_owned();
    second.spec.names.plural = "others".to_owned();
    second.status = Default::default();
    accept_names(&mut second, &Taken::of([&first].into_iter(), "example.com", "others.example.com"), now);
    assert!(!is_true(&second, ESTABLISHED));
    assert_eq!(second.status.conditions[0].reason, "ListKindConflict");
    assert_eq!(second.status.conditions[0].message, "\"FooList\" is already in use");
    assert_eq!(second.status.accepted_names.plural, "others");
    let again = second.clone();
    accept_names(&mut second, &Taken::of([&first].into_iter(), "example.com", "others.example.com"), now);
    assert_eq!(second.status, again.status, "nothing changes the second time");
}
