//! Tables of cases about values of structural schemas.

use serde_json::{Value, json};

use super::json_path::JsonPath;
use super::schema::Schema;
use super::{expressions, formats, tidy, validate};

fn schema(properties: Value) -> Schema {
    Schema::compile(&json!({"type": "object", "properties": properties})).unwrap()
}

#[track_caller]
fn check_tidy(properties: Value, given: Value, expected: Value, removed: &[&str]) {
    let schema = schema(properties);
    let mut object = given.as_object().unwrap().clone();
    let mut found = Vec::new();
    tidy::prune(&mut object, &schema, &mut found);
    tidy::default(&mut object, &schema);
    tidy::drop_nulls(&mut object, &schema);
    assert_eq!(
        (Value::Object(object), found),
        (expected, removed.iter().map(|path| path.to_string()).collect())
    );
}

#[test]
fn objects_are_brought_into_form() {
    let text = json!({"type": "string"});
    check_tidy(
        json!({"a": text}),
        json!({"a": "x", "b": 1, "metadata": {}}),
        json!({"a": "x", "metadata": {}}),
        &["b"],
    );
    let list = json!({"type": "array", "items": {"type": "object", "properties": {"a": text}}});
    check_tidy(
        json!({"l": list}),
        json!({"l": [{"b": 1, "a": "x"}]}),
        json!({"l": [{"a": "x"}]}),
        &["l[0].b"],
    );
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"p": {"type": "object"}}});
    check_tidy(
        json!({"f": free}),
        json!({"f": {"x": 1, "p": {"q": 2}}}),
        json!({"f": {"x": 1, "p": {}}}),
        &["f.p.q"],
    );
    let map =
        json!({"type": "object", "additionalProperties": {"type": "object", "properties": {"a": text}}});
    check_tidy(
        json!({"m": map}),
        json!({"m": {"k": {"a": "x", "b": 1}}}),
        json!({"m": {"k": {"a": "x"}}}),
        &["m.k.b"],
    );
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}});
    let whole = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}});
    check_tidy(json!({"e": embedded}), json!({"e": whole}), json!({"e": whole}), &[]);

    let default = json!({"type": "string", "default": "d"});
    check_tidy(json!({"a": default}), json!({}), json!({"a": "d"}), &[]);
    check_tidy(json!({"a": default}), json!({"a": null}), json!({"a": "d"}), &[]);
    let nullable = json!({"type": "string", "default": "d", "nullable": true});
    check_tidy(json!({"a": nullable}), json!({"a": null}), json!({"a": null}), &[]);
    check_tidy(json!({"a": text}), json!({"a": null}), json!({}), &[]);
    let deep = json!({"type": "object", "default": {}, "properties": {"a": default}});
    check_tidy(json!({"o": deep}), json!({}), json!({"o": {"a": "d"}}), &[]);
}

#[track_caller]
fn check(property: Value, value: Value, expected: &[&str]) {
    let schema = schema(json!({"a": property}));
    let found: Vec<String> =
        validate::validate(&json!({"a": value}), None, &schema).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn values_are_judged_in_upstreams_words() {
    check(json!({"type": "string"}), json!("x"), &[]);
    check(json!({"type": "number"}), json!(1), &[]);
    check(
        json!({"type": "integer"}),
        json!(1.5),
        &["a: Invalid value: \"number\": a in body must be of type integer: \"number\""],
    );
    check(
        json!({"type": "string"}),
        json!(null),
        &["a: Invalid value: \"null\": a in body must be of type string: \"null\""],
    );
    check(json!({"type": "string", "nullable": true}), json!(null), &[]);
    check(json!({"x-kubernetes-int-or-string": true}), json!("80%"), &[]);
    check(
        json!({"type": "string", "maxLength": 2}),
        json!("äöü"),
        &["a: Too long: may not be more than 2 bytes"],
    );
    check(
        json!({"type": "string", "minLength": 2}),
        json!("a"),
        &["a: Invalid value: \"a\": a in body should be at least 2 chars long"],
    );
    check(
        json!({"type": "string", "format": "ipv4"}),
        json!("1.2.3"),
        &["a: Invalid value: \"1.2.3\": a in body must be of type ipv4: \"1.2.3\""],
    );
    check(
        json!({"type": "number", "exclusiveMaximum": true, "maximum": 2}),
        json!(2),
        &["a: Invalid value: 2: a in body should be less than 2"],
    );
    check(
        json!({"type": "integer", "multipleOf": 2}),
        json!(3),
        &["a: Invalid value: 3: a in body should be a multiple of 2"],
    );
    check(
        json!({"type": "array", "maxItems": 1}),
        json!([1, 2]),
        &["a: Too many: 2: must have at most 1 item"],
    );
    check(
        json!({"type": "array", "minItems": 1}),
        json!([]),
        &["a: Invalid value: 0: a in body should have at least 1 items"],
    );
    check(
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
        json!(["x", "y", "x"]),
        &["a[2]: Duplicate value: \"x\""],
    );
    check(
        json!({"type": "object", "minProperties": 1}),
        json!({}),
        &["a: Invalid value: 0: a in body should have at least 1 properties"],
    );
    check(
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"k": "v"}),
        &["a.k: Invalid value: \"string\": a.k in body must be of type integer: \"string\""],
    );
    check(
        json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        json!({"kind": "Pod"}),
        &["a.apiVersion: Required value: must not be empty"],
    );
    check(
        json!({"type": "object", "oneOf": [{"required": ["x"]}, {"required": ["y"]}]}),
        json!({"x": 1, "y": 1}),
        &[
            "<nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ],
    );
    check(
        json!({"type": "object", "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}),
        json!({}),
        &[
            "<nil>: Invalid value: \"\": \"a\" must validate at least one schema (anyOf)",
            "a.x: Required value",
        ],
    );
    check(
        json!({"type": "string", "not": {"enum": ["x"]}}),
        json!("x"),
        &["<nil>: Invalid value: \"\": \"a\" must not validate the schema (not)"],
    );
}

#[test]
fn what_an_update_leaves_alone_is_not_judged_again() {
    let schema = schema(json!({"a": {"type": "string", "enum": ["x"]}, "b": {"type": "string"}}));
    let old = json!({"a": "broken", "b": "1"});
    assert!(validate::validate(&json!({"a": "broken", "b": "2"}), Some(&old), &schema).is_empty());
    assert_eq!(validate::validate(&json!({"a": "worse", "b": "1"}), Some(&old), &schema).len(), 1);
}

#[test]
fn paths_lead_to_values() {
    let value = json!({
        "spec": {"a.b": 1, "list": [{"type": "x", "n": 1}, {"type": "y", "n": 2}]},
    });
    let check = |path: &str, expected: Option<Value>| {
        assert_eq!(JsonPath::parse(path).unwrap().first(&value).cloned(), expected, "{path}");
    };
    check(".spec.list[1].n", Some(json!(2)));
    check(".spec.list[-1].n", Some(json!(2)));
    check(".spec.list[*].n", Some(json!(1)));
    check(r#".spec.list[?(@.type=="y")].n"#, Some(json!(2)));
    check(".spec.list[?(@.n>1)].type", Some(json!("y")));
    check(r".spec.a\.b", Some(json!(1)));
    check(".spec['a.b']", Some(json!(1)));
    check(".spec.missing.deep", None);
    assert!(JsonPath::parse(".spec[").is_err());
    assert!(JsonPath::parse("..").is_err());
    assert!(JsonPath::parse(".a[?(b)]").is_err());
}

#[test]
fn formats_hold_or_not() {
    let check = |format: &str, good: &[&str], bad: &[&str]| {
        assert!(formats::is_known("string", format), "{format}");
        good.iter().for_each(|text| assert!(formats::holds(format, text), "{format} {text}"));
        bad.iter().for_each(|text| assert!(!formats::holds(format, text), "{format} {text}"));
    };
    check("date-time", &["2024-12-15T19:30:20.000Z", "2024-12-15T19:30:20+02:00"], &["2024-12-15", "x"]);
    check("date", &["2024-02-29"], &["2023-02-29", "2024-2-1"]);
    check("uuid", &["A987FBC9-4BED-3078-8F07-9141BA07C9F3"], &["xyz"]);
    check("cidr", &["10.0.0.0/8", "fd00::/8"], &["10.0.0.0", "10.0.0.0/33"]);
    check("uri", &["http://a.b/c", "/path"], &["", "no scheme"]);
    check("email", &["a@b.c"], &["a", "a@b@c", "@b"]);
    check("duration", &["1h30m", "3 days", "0"], &["abc", ""]);
    check("byte", &["aGVsbG8="], &["a"]);
    check("mac", &["01:23:45:67:89:ab"], &["01:23"]);
    check("isbn", &["0321751043", "978-0321751041"], &["123"]);
    check("creditcard", &["4111111111111111"], &["4111111111111112"]);
    check("hostname", &["a.example.com"], &["-a", "a..b"]);
    assert!(formats::holds("unheard-of", "anything"));
    assert!(!formats::is_known("string", "unheard-of"));
    assert!(formats::is_known("integer", "int32") && !formats::is_known("boolean", "int32"));
}

#[test]
fn expressions_are_asked_about_values_and_changes() {
    let schema = schema(json!({"spec": {
        "type": "object",
        "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}, "name": {
            "type": "string",
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "name is immutable"}],
        }},
        "x-kubernetes-validations": [
            {"rule": "self.min <= self.max", "messageExpression": "'min is ' + string(self.min)", "fieldPath": ".min"},
            {"rule": "!has(self.name) || self.name != 'x'", "reason": "FieldValueForbidden"},
        ],
    }}));
    let check = |new: Value, old: Option<Value>, expected: &[&str]| {
        let new = json!({"spec": new});
        let old = old.map(|old| json!({"spec": old}));
        let found: Vec<String> =
            expressions::check(&new, old.as_ref(), &schema).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    };
    check(json!({"min": 1, "max": 2}), None, &[]);
    check(json!({"min": 3, "max": 2}), None, &["spec.min: Invalid value: \"object\": min is 3"]);
    let named = |name: &str| json!({"min": 1, "max": 2, "name": name});
    check(named("x"), None, &["spec: Forbidden: failed rule: !has(self.name) || self.name != 'x'"]);
    check(named("a"), Some(named("a")), &[]);
    check(named("b"), Some(named("a")), &["spec.name: Invalid value: \"string\": name is immutable"]);
}
