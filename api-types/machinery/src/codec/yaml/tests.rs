//! Tables for reading and writing YAML.

use serde_json::{Value, json};

use super::*;

fn check_read(text: &str, expected: Value) {
    assert_eq!(from_str(text), Ok(expected), "{text:?}");
}

fn check_written(value: Value, expected: &str) {
    assert_eq!(to_string(&value), expected);
    assert_eq!(from_str(expected), Ok(value), "{expected:?} reads back");
}

#[test]
fn plain_scalars_by_go_rules() {
    for (text, expected) in [
        ("yes", json!(true)),
        ("On", json!(true)),
        ("y", json!(true)),
        ("off", json!(false)),
        ("N", json!(false)),
        ("True", json!(true)),
        ("~", json!(null)),
        ("", json!(null)),
        ("null", json!(null)),
        ("0644", json!(420)),
        ("-012", json!(-10)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("0b101", json!(5)),
        ("1_000", json!(1000)),
        ("+12", json!(12)),
        ("089", json!(89)),
        ("1e3", json!(1000)),
        ("1.50", json!(1.5)),
        (".5", json!(0.5)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615u64)),
        ("2001-01-01", json!("2001-01-01")),
        ("12:30:45", json!("12:30:45")),
        ("1.2.3", json!("1.2.3")),
        ("yesterday", json!("yesterday")),
        ("'yes'", json!("yes")),
        ("\"0644\"", json!("0644")),
        ("\"null\"", json!("null")),
        ("''", json!("")),
        ("!!str yes", json!("yes")),
        ("!!str 0644", json!("0644")),
        ("a: !!str 12", json!({"a": "12"})),
        ("&anchor yes", json!(true)),
        ("!custom text", json!("text")),
        ("100m", json!("100m")),
        ("1Gi", json!("1Gi")),
        ("=", json!("=")),
    ] {
        check_read(text, expected);
    }
}

#[test]
fn documents() {
    check_read("a: 1\nb:\n- x\n- w: on\n", json!({"a": 1, "b": ["x", {"w": true}]}));
    check_read("{\"a\":yes, 'b':\"yes\", c: [no, 'no']}", json!({"a": true, "b": "yes", "c": [false, "no"]}));
    check_read("on: 1\n1: a\n1.5: b\n", json!({"true": 1, "1": "a", "1.5": "b"}));
    check_read("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"}));
    check_read(
        "a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\n",
        json!({"a": {"k": 1, "l": 2}, "b": {"l": 3, "k": 1}}),
    );
    check_read("a: {<<: [{k: 1}, {k: 2, l: 2}]}", json!({"a": {"k": 1, "l": 2}}));
    check_read("a: '<<'\n'<<': b\n", json!({"a": "<<", "<<": "b"}));
    check_read("a: 1\n---\nb: 2\n", json!({"a": 1}));
    check_read("a: some\n  folded yes\n", json!({"a": "some folded yes"}));
}

#[test]
fn refused_documents() {
    for (text, expected) in [
        ("a: .inf", "unsupported value: infinity or not a number"),
        ("a: b: c", "mapping values are not allowed in this context"),
        ("[a", "did not find expected ',' or ']'"),
        ("{~: 1}", "unsupported map key"),
        ("{[a]: 1}", "invalid type"),
        ("a: *missing", "unknown anchor"),
        ("a: {<<: 5}", "map merge requires map or sequence of maps as the value"),
    ] {
        let error = from_str(text).map_err(|error| error.to_string());
        assert!(
            error.as_ref().is_err_and(|error| error.contains(expected)),
            "{text}: {error:?}, not {expected}"
        );
    }
    let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    assert!(from_str(&deep).is_err());
    assert!(from_str(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
}

#[test]
fn alias_expansion_is_bounded() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(from_str(&bomb).is_err());
}

#[test]
fn duplicates_are_reported_and_the_last_one_wins() {
    let decoded = decode("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").map_err(|error| error.to_string());
    let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decoded.value, json!({"a": 3, "b": {"c": 2}}));
    let texts: Vec<String> = decoded.duplicates.iter().map(DuplicateKey::to_string).collect();
    assert_eq!(texts, ["line 4: key \"c\" already set in map", "line 5: key \"a\" already set in map"]);
}

#[test]
fn streams_split_at_separators() {
    assert_eq!(split_documents("a: 1\n---\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
    assert_eq!(
        split_documents("---\n# nothing\n---\na: |\n  x ---\n  ---y\n---  # end\n\n"),
        ["a: |\n  x ---\n  ---y\n"]
    );
    assert!(split_documents("").is_empty());
}

#[test]
fn layout() {
    check_written(
        json!({"apiVersion": "v1", "items": [{"a": 1, "b": {"c": []}}, [1, [2]], {}], "none": null, "map": {}}),
        "apiVersion: v1\nitems:\n- a: 1\n  b:\n    c: []\n- - 1\n  - - 2\n- {}\nnone: null\nmap: {}\n",
    );
    check_written(json!("text"), "text\n");
    check_written(json!([]), "[]\n");
}

#[test]
fn texts_are_quoted_when_they_would_mean_something_else() {
    for (text, expected) in [
        ("yes", "\"yes\""),
        ("y", "\"y\""),
        ("", "\"\""),
        ("null", "\"null\""),
        ("1", "\"1\""),
        ("0644", "\"0644\""),
        ("1e3", "\"1e3\""),
        ("12:30", "\"12:30\""),
        ("2020-01-01T00:00:00Z", "\"2020-01-01T00:00:00Z\""),
        ("<<", "\"<<\""),
        ("1.2.3", "1.2.3"),
        ("100m", "100m"),
        ("a: b", "'a: b'"),
        ("a:b", "a:b"),
        ("a #b", "'a #b'"),
        ("#a", "'#a'"),
        ("- a", "'- a'"),
        ("-a", "-a"),
        ("*a", "'*a'"),
        ("it's", "it's"),
        ("'a'", "'''a'''"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("{a}", "'{a}'"),
        ("a,b", "a,b"),
        ("a\tb", "\"a\\tb\""),
        ("é", "é"),
        ("\u{1F600}", "\"\\U0001F600\""),
        ("\u{feff}a", "\"\\uFEFFa\""),
    ] {
        check_written(json!({"k": text}), &format!("k: {expected}\n"));
    }
}

#[test]
fn long_and_broken_texts() {
    check_written(json!({"a": "x\ny\n"}), "a: |\n  x\n  y\n");
    check_written(json!({"a": ["x\ny"], "b": 1}), "a:\n- |-\n  x\n  y\nb: 1\n");
    check_written(json!({"a": "x\n\n"}), "a: |+\n  x\n\n");
    check_written(json!({"a": "  x\ny\n"}), "a: |2\n    x\n  y\n");
    check_written(json!({"a": "x \ny\n"}), "a: \"x \\ny\\n\"\n");
    let words = ["word"; 20].join(" ");
    let folded = format!("{}\n  {}", ["word"; 16].join(" "), ["word"; 4].join(" "));
    check_written(json!({"a": words}), &format!("a: {folded}\n"));
    let key = "k".repeat(129);
    check_written(json!({key.as_str(): "v"}), &format!("? {key}\n: v\n"));
}

#[test]
fn sorted_keys_count_like_people() {
    let value =
        json!({"b": 1, "a10": 1, "a2": {"z": 1, "y": 1}, "a02": 1, "A": 1, "1": 1, "a-b": 1, "ab": 1});
    assert_eq!(
        to_string_sorted(&value),
        "\"1\": 1\nA: 1\na-b: 1\na2:\n  \"y\": 1\n  z: 1\na02: 1\na10: 1\nab: 1\nb: 1\n"
    );
}
