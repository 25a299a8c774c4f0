//! Tables for paths and messages.

use serde_json::json;

use super::*;

#[test]
fn paths() {
    for (path, expected) in [
        (Path::new("spec"), "spec"),
        (Path::of(&["spec", "template"]), "spec.template"),
        (Path::new("spec").child("containers").index(0).key("x").child("y"), "spec.containers[0][x].y"),
        (Path::nil(), "<nil>"),
        (Path::nil().child("key"), "key"),
        (Path::nil().index(2).child("a"), "[2].a"),
    ] {
        assert_eq!(path.to_string(), expected);
    }
}

#[test]
fn messages() {
    let path = &Path::new("field").child("name");
    for (error, expected) in [
        (Error::required(path, ""), "field.name: Required value"),
        (Error::required(path, "must be given"), "field.name: Required value: must be given"),
        (Error::invalid(path, "a\"b", "bad"), "field.name: Invalid value: \"a\\\"b\": bad"),
        (Error::invalid(path, 5, ""), "field.name: Invalid value: 5"),
        (Error::invalid(path, -1i64, "x"), "field.name: Invalid value: -1: x"),
        (Error::invalid(path, true, "x"), "field.name: Invalid value: true: x"),
        (Error::invalid(path, 1.5, "x"), "field.name: Invalid value: 1.5: x"),
        (Error::invalid(path, json!({"a": "<"}), "x"), r#"field.name: Invalid value: {"a":"\u003c"}: x"#),
        (Error::invalid(path, vec!["a".to_owned()], "x"), r#"field.name: Invalid value: ["a"]: x"#),
        (Error::invalid(path, None::<String>, "x"), "field.name: Invalid value: null: x"),
        (Error::type_invalid(path, "v", "d"), "field.name: Invalid value: \"v\": d"),
        (
            Error::not_supported(path, "x", ["A", "B"]),
            r#"field.name: Unsupported value: "x": supported values: "A", "B""#,
        ),
        (Error::not_supported(path, "x", [""; 0]), r#"field.name: Unsupported value: "x""#),
        (Error::duplicate(path, "x"), r#"field.name: Duplicate value: "x""#),
        (Error::forbidden(path, "not now"), "field.name: Forbidden: not now"),
        (Error::not_found(path, "x"), r#"field.name: Not found: "x""#),
        (Error::too_long(path, 5), "field.name: Too long: may not be more than 5 bytes"),
        (Error::too_long(path, 1), "field.name: Too long: may not be more than 1 byte"),
        (Error::too_long_characters(path, 2), "field.name: Too long: may not be more than 2 characters"),
        (Error::too_short(path, "x", 2), "field.name: Too short: must be at least 2 characters"),
        (Error::too_many(path, Some(6), 1), "field.name: Too many: 6: must have at most 1 item"),
        (Error::too_many(path, None, 5), "field.name: Too many: must have at most 5 items"),
        (Error::too_few(path, 1, 2), "field.name: Too few: 1: must have at least 2 items"),
        (Error::internal(path, "boom"), "field.name: Internal error: boom"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn every_type_has_its_own_cause() {
    let causes: HashSet<_> = ERROR_TYPES.iter().map(|entry| entry.1).collect();
    assert_eq!(causes.len(), ERROR_TYPES.len());
    for (error_type, cause, _) in ERROR_TYPES {
        assert_eq!(error_type.cause(), *cause);
    }
}

#[test]
fn aggregates_say_each_text_once() {
    let (a, b) = (Error::required(&Path::new("a"), ""), Error::required(&Path::new("b"), ""));
    assert_eq!(aggregate(&[]), "");
    assert_eq!(aggregate(&[a.clone(), a.clone()]), "a: Required value");
    assert_eq!(aggregate(&[a.clone(), b, a]), "[a: Required value, b: Required value]");
}
