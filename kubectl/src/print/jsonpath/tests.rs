//! Templates and what they print.

use serde_json::{Value, json};

use super::JsonPath;

fn data() -> Value {
    json!({"items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "n": 1, "ready": true},
        {"metadata": {"name": "b"}, "n": 2, "ready": false},
        {"metadata": {"name": "c"}, "n": 3, "ready": true}],
        "kind": "List"})
}

fn check(template: &str, expected: Result<&str, &str>) {
    let rendered = JsonPath::parse(template, false).and_then(|path| path.render(&data()));
    let rendered = rendered.map_err(|error| error.to_string());
    assert_eq!(rendered.as_deref().map_err(String::as_str), expected, "{template}");
}

#[test]
fn templates_print_what_they_point_at() {
    check("{.kind}", Ok("List"));
    check("kind is {.kind}{\"\\n\"}", Ok("kind is List\n"));
    check("{.items[*].metadata.name}", Ok("a b c"));
    check("{.items[0].metadata.name}", Ok("a"));
    check("{.items[-1:].metadata.name}", Ok("c"));
    check("{.items[-1].metadata.name}", Ok("c"));
    check("{.items[0:2].n}", Ok("1 2"));
    check("{.items[0,2].n}", Ok("1 3"));
    check("{.items[0]['metadata.name','n']}", Err("metadata.name is not found"));
    check("{.items[?(@.n>1)].metadata.name}", Ok("b c"));
    check("{.items[?(@.metadata.name==\"b\")].n}", Ok("2"));
    check("{.items[?(@.ready==true)].n}", Ok("1 3"));
    check("{.items[?(@.metadata.labels)].n}", Ok("1"));
    check("{range .items[*]}{.metadata.name}={.n};{end}", Ok("a=1;b=2;c=3;"));
    check("{..name}", Err("name is not found"));
    check("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", Ok("x"));
    check("{.items[0].metadata.labels['app.kubernetes.io/name']}", Ok("x"));
    check("{.items[0].metadata}", Ok("{\"labels\":{\"app.kubernetes.io/name\":\"x\"},\"name\":\"a\"}"));
    check("{$.kind}", Ok("List"));
    check("{.nothing}", Err("nothing is not found"));
    check("{.items[7].n}", Err("array index out of bounds: index 7, length 3"));
    check("{.kind", Err("unclosed action"));
    check("{end}", Err("not in range, nothing to end"));
}

#[test]
fn missing_fields_may_be_empty() {
    let path = JsonPath::parse("{.items[*].metadata.labels}{..n}", true).expect("sound");
    let shown = path.render(&data()).expect("lenient");
    assert_eq!(shown, "{\"app.kubernetes.io/name\":\"x\"}1 2 3");
}

#[test]
fn single_paths_need_no_braces() {
    for path in ["kind", ".kind", "{.kind}", "{kind}"] {
        let found = JsonPath::parse_relaxed(path, true).expect("sound").render(&data());
        assert_eq!(found.as_deref(), Ok("List"), "{path}");
    }
}
