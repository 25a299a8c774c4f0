//! Tables for the grammar, its messages, matching and conversions.

use super::*;
use crate::meta::v1::{LabelSelector, LabelSelectorRequirement};

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn check_text(input: &str, expected: &str) {
    let printed = Selector::parse(input).map(|selector| selector.to_string());
    assert_eq!(printed.as_deref(), Ok(expected), "{input}");
    assert_eq!(Selector::parse(expected), Selector::parse(input), "{expected} reads back");
}

fn check_error(input: &str, expected: &str) {
    assert_eq!(
        Selector::parse(input).map_err(|error| error.to_string()),
        Err(expected.to_owned()),
        "{input}"
    );
}

#[test]
fn text_form() {
    for (input, expected) in [
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("", ""),
        ("  ", ""),
        ("x!=a,y=b", "x!=a,y=b"),
        ("x=", "x="),
        ("x= ", "x="),
        ("x=,z= ", "x=,z="),
        ("x= ,z= ", "x=,z="),
        ("!x", "!x"),
        ("! x", "!x"),
        ("x==a", "x==a"),
        ("x>1", "x>1"),
        ("x<1,y", "x<1,y"),
        ("x in (foo)", "x in (foo)"),
        ("x in (foo,bar)", "x in (bar,foo)"),
        ("x in (,foo)", "x in (,foo)"),
        ("x in ()", "x in ()"),
        ("x notin (a,,b)", "x notin (,a,b)"),
        ("x in (a,)", "x in (,a)"),
        ("x notin (abc,def)", "x notin (abc,def)"),
        ("y,x", "x,y"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("notin", "notin"),
        ("x=a,\n\ty\r", "x=a,y"),
        ("x=a\0,y", "x=a"),
    ] {
        check_text(input, expected);
    }
}

#[test]
fn refused_text() {
    let key_rule = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    for (input, expected) in [
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("x,", "found '', expected: identifier after ','"),
        ("x,,y", "found ',', expected: identifier after ','"),
        ("x a", "unable to parse requirement: found 'a', expected: in, notin, =, ==, !=, gt, lt"),
        ("x=a b", "found 'b', expected: ',' or 'end of string'"),
        (
            "x=a||y=b",
            "unable to parse requirement: values[0][x]: Invalid value: \"a||y\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("x in (,=", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("x=!", "unable to parse requirement: found '!', expected: identifier"),
        (
            "x>a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("(x", "found '(', expected: !, identifier, or 'end of string'"),
    ] {
        check_error(input, expected);
    }
    check_error("-x", &format!("unable to parse requirement: <nil>: Invalid value: \"-x\": {key_rule}"));
    let at = Selector::parse_at("-x", &Path::new("labelSelector"));
    let expected = format!("unable to parse requirement: labelSelector: Invalid value: \"-x\": {key_rule}");
    assert_eq!(at.map_err(|error| error.to_string()), Err(expected));
}

#[test]
fn requirements_check_their_values() {
    let check = |operator, values: &[&str], expected: Option<&str>| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let error = Requirement::new("x", operator, values).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{operator:?}");
    };
    check(
        Operator::In,
        &[],
        Some("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
    );
    check(
        Operator::Equals,
        &["a", "b"],
        Some("values: Invalid value: [\"a\",\"b\"]: exact-match compatibility requires one single value"),
    );
    check(
        Operator::Exists,
        &["a"],
        Some("values: Invalid value: [\"a\"]: values set must be empty for exists and does not exist"),
    );
    check(
        Operator::LessThan,
        &[],
        Some("values: Invalid value: []: for 'Gt', 'Lt' operators, exactly one value is required"),
    );
    check(Operator::GreaterThan, &["1"], None);
}

#[test]
fn matching() {
    let check = |selector: &str, pairs: &[(&str, &str)], expected: bool| {
        let matched = Selector::parse(selector).map(|selector| selector.matches(&labels(pairs)));
        assert_eq!(matched, Ok(expected), "{selector} {pairs:?}");
        let in_slice = Selector::parse(selector).map(|selector| selector.matches(pairs));
        assert_eq!(in_slice, Ok(expected), "{selector} {pairs:?}");
    };
    for (selector, pairs, expected) in [
        ("", &[("x", "y")][..], true),
        ("x=y", &[("x", "y")], true),
        ("x=y,z=w", &[("x", "y"), ("z", "w")], true),
        ("x!=y,z!=w", &[("x", "z"), ("z", "a")], true),
        ("x!=y", &[], true),
        ("notin=in", &[("notin", "in")], true),
        ("x", &[("x", "z")], true),
        ("!x", &[("y", "z")], true),
        ("x>1", &[("x", "2")], true),
        ("x<1", &[("x", "0")], true),
        ("x>1", &[("x", "a")], false),
        ("x>1", &[], false),
        ("x=z", &[], false),
        ("x=y", &[("x", "z")], false),
        ("x=y,z=w", &[("x", "w"), ("z", "w")], false),
        ("x", &[("y", "z")], false),
        ("!x", &[("x", "z")], false),
        ("x in (a,b)", &[("x", "b")], true),
        ("x in (a,b)", &[("x", "c")], false),
        ("x notin (a,b)", &[("x", "b")], false),
        ("x notin (a,b)", &[], true),
        ("x=", &[("x", "")], true),
    ] {
        check(selector, pairs, expected);
    }
    assert!(!Selector::nothing().matches(&labels(&[])));
}

#[test]
fn exact_values() {
    for (selector, expected) in
        [("x=a", Some("a")), ("x in (a)", Some("a")), ("x in (a,b)", None), ("x!=a", None), ("y=a", None)]
    {
        assert_eq!(Selector::parse(selector).unwrap_or_default().required_value("x"), expected, "{selector}");
    }
}

fn label_selector(pairs: &[(&str, &str)], expressions: &[(&str, &str, &[&str])]) -> LabelSelector {
    let expression = |(key, operator, values): &(&str, &str, &[&str])| LabelSelectorRequirement {
        key: (*key).to_owned(),
        operator: (*operator).to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    LabelSelector {
        match_labels: labels(pairs),
        match_expressions: expressions.iter().map(expression).collect(),
    }
}

#[test]
fn label_selectors_convert_both_ways() {
    assert_eq!(Selector::from_label_selector(None), Ok(Selector::Nothing));
    assert_eq!(Selector::from_label_selector(Some(&LabelSelector::default())), Ok(Selector::everything()));
    let selector =
        label_selector(&[("foo", "bar")], &[("baz", "In", &["qux", "norf"]), ("a", "DoesNotExist", &[])]);
    assert_eq!(format_label_selector(Some(&selector)), "!a,baz in (norf,qux),foo=bar");
    assert_eq!(format_label_selector(None), "<none>");
    let odd = label_selector(&[], &[("baz", "Near", &["a"])]);
    assert_eq!(format_label_selector(Some(&odd)), "<error>");
    let error = Selector::from_label_selector(Some(&odd)).map_err(|error| error.to_string());
    assert_eq!(error, Err("\"Near\" is not a valid label selector operator".to_owned()));

    let parsed = parse_to_label_selector("foo=bar,baz in (qux,norf),!a");
    let expected =
        label_selector(&[("foo", "bar")], &[("a", "DoesNotExist", &[]), ("baz", "In", &["norf", "qux"])]);
    assert_eq!(parsed, Ok(expected));
    let error = parse_to_label_selector("a>1").map_err(|error| error.to_string());
    assert_eq!(error, Err("\"gt\" isn't supported in label selectors".to_owned()));
    let error = parse_to_label_selector("a,").map_err(|error| error.to_string());
    let expected = "couldn't parse the selector string \"a,\": found '', expected: identifier after ','";
    assert_eq!(error, Err(expected.to_owned()));
}

#[test]
fn label_selector_rules() {
    let path = Path::new("selector");
    let selector = label_selector(
        &[("a b", "c d")],
        &[("k", "In", &[]), ("k", "Exists", &["v"]), ("k", "Near", &[]), ("k", "In", &["b c"])],
    );
    let short = |errors: Vec<field::Error>| -> Vec<String> {
        errors.iter().map(|error| format!("{} {}", error.field, error.error_type.cause())).collect()
    };
    assert_eq!(
        short(validate_label_selector(Some(&selector), LabelSelectorOptions::default(), &path)),
        [
            "selector.matchLabels FieldValueInvalid",
            "selector.matchLabels FieldValueInvalid",
            "selector.matchExpressions[0].values FieldValueRequired",
            "selector.matchExpressions[1].values FieldValueForbidden",
            "selector.matchExpressions[2].operator FieldValueInvalid",
            "selector.matchExpressions[3].values[0] FieldValueInvalid",
        ]
    );
    assert!(has_invalid_label_value(Some(&selector)));
    let lenient = LabelSelectorOptions { allow_invalid_label_value: true, allow_unknown_operator: true };
    assert_eq!(short(validate_label_selector(Some(&selector), lenient, &path)).len(), 4);
    assert!(validate_label_selector(None, LabelSelectorOptions::default(), &path).is_empty());
}
