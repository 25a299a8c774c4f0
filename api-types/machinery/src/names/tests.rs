//! Tables of good and bad names, and the exact words for the bad ones.

use super::*;

fn check(rule: fn(&str) -> Messages, good: &[&str], bad: &[&str]) {
    for value in good {
        assert_eq!(rule(value), Messages::new(), "{value:?} must pass");
    }
    for value in bad {
        assert_ne!(rule(value), Messages::new(), "{value:?} must not pass");
    }
}

#[test]
fn dns_labels() {
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    check(
        is_dns1123_label,
        &["a", "ab", "abc", "a1", "a-1", "a--1--2--b", "0", "01", "012", "1a", "1-a", "1--a--b--2", &longest],
        &[
            "", "A", "ABC", "aBc", "A1", "-", "a-", "-a", "1-", "_", "a_", "a.b", "a b", " a", "a\n", "é",
            &too_long,
        ],
    );
    check(is_dns1035_label, &["a", "a-1", "abc"], &["", "0", "0a", "-a", "a-", "A", "a.b"]);
    assert_eq!(is_dns1123_label("a.b"), ["must not contain dots"]);
    assert_eq!(
        is_dns1123_label("A"),
        [
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ]
    );
    assert_eq!(is_dns1123_label(&too_long), ["must be no more than 63 characters"]);
}

#[test]
fn dns_subdomains() {
    let label = "a".repeat(63);
    let too_long = [label.as_str(); 4].join(".");
    check(
        is_dns1123_subdomain,
        &["a", "a.b", "a.b.c", "0.a", "a.1", "a-1.b-2", "1a.b--c", "a.b.c.d.e.f"],
        &["", "A", "a.", ".a", "a..b", "a-.b", "a.-b", "a_b", "a.B", &too_long],
    );
    check(
        is_dns1123_subdomain_with_underscore,
        &["_a", "_a.b", "a._b", "a_b", "a-b"],
        &["_", "a_", "_a_", "__a", "A", "-a"],
    );
    check(is_dns1123_subdomain_caseless, &["A.b", "a"], &["", "a_", "A."]);
    check(is_wildcard_dns1123_subdomain, &["*.a", "*.a.b"], &["*", "*a", "a.*", "*.", "*.A", "a", ""]);
    assert_eq!(
        is_dns1123_subdomain("Bad"),
        [
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ]
    );
}

#[test]
fn label_keys_and_values() {
    let (name, long_name) = ("a".repeat(63), "a".repeat(64));
    let long_prefix = format!("{}/a", "a.".repeat(126) + "ab");
    check(
        is_qualified_name,
        &[
            "simple",
            "now-with-dashes",
            "1-starts-with-num",
            "1234",
            "simple/simple",
            "kubernetes.io/a_B.c",
            "1.2.3.4/5678",
            &name,
        ],
        &[
            "",
            "nospecialchars%^=@",
            "cantendwithadash-",
            "-cantstartwithadash-",
            "only/one/slash",
            "Example.com/abc",
            "example_com/abc",
            "example.com/",
            "/simple",
            &long_name,
            &long_prefix,
            "a é",
        ],
    );
    check(
        is_label_value,
        &["", "simple", "now-with-dashes", "end-with-num-1", "1234", "Mixed_Case.1", &name],
        &[
            "nospecialchars%^=@",
            "Tama-nui-te-rā.is.Māori.sun",
            "\\backslashes\\are\\bad",
            "-starts",
            "ends-",
            ".starts",
            &long_name,
        ],
    );
    let pattern = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    assert_eq!(
        is_qualified_name(""),
        ["name part must be non-empty".to_owned(), format!("name part {pattern}")]
    );
    assert_eq!(is_qualified_name(&long_name), ["name part must be no more than 63 bytes"]);
    assert_eq!(
        is_qualified_name("a/b/c"),
        [format!(
            "a valid label key {pattern} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )]
    );
    assert_eq!(is_qualified_name("/a"), ["prefix part must be non-empty"]);
    assert_eq!(is_qualified_name(&long_prefix), ["prefix part must be no more than 253 bytes"]);
    assert_eq!(
        is_label_value("a b"),
        [
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        ]
    );
}

#[test]
fn other_names() {
    check(is_c_identifier, &["a", "_a1", "A_B"], &["", "1a", "a-b", "a.b"]);
    check(
        is_port_name,
        &["telnet", "re-mail-ck", "pop3", "a", "a-1", "1a-1b"],
        &["", "longerthan15chars", "12", "-a", "a-", "a--b", "A"],
    );
    check(is_percent, &["0%", "93%", "100%"], &["", "%", "1", "a%", "-1%", "1%%"]);
    check(is_http_header_name, &["X-A", "a1"], &["", "a b", "X_A", "a:"]);
    check(is_env_var_name, &["my.env-name", "_a", "-A"], &["", "1a", "a b", ".", "..", "..a", "é"]);
    check(is_relaxed_env_var_name, &["1a", "a b!", "-"], &["", "a=b", "é", "a\n"]);
    check(is_config_map_key, &["a.b", "_a", ".a", "1"], &["", "a/b", ".", "..", "..a", &"a".repeat(254)]);
    check(is_path_segment_name, &["a", "a:b", "A b"], &[".", "..", "a/b", "a%b"]);
    check(is_decimal_integer, &["0", "-1", "12"], &["", "-", "-0", "01", "+1", "1a"]);
    assert_eq!(is_port_number(0), ["must be between 1 and 65535, inclusive"]);
    assert_eq!(is_user_id(i64::from(i32::MAX) + 1), ["must be between 0 and 2147483647, inclusive"]);
    assert_eq!(is_config_map_key(".."), ["must not be '..'"]);
}

#[test]
fn prefixes_may_end_in_a_dash() {
    assert!(name_is_dns_label("base-", true).is_empty());
    assert!(!name_is_dns_label("base-", false).is_empty());
    assert!(!name_is_dns_subdomain("-", true).is_empty());
    assert!(!name_is_dns1035_label("1-a-", true).is_empty());
    assert!(!name_is_dns_label("é-", true).iter().any(|message| message.contains("dots")));
    assert!(name_is_path_segment("..", true).is_empty());
    assert!(!name_is_path_segment("..", false).is_empty());
}

#[test]
fn generated_names() {
    let mut numbers = 0u32..;
    let name = generate_name("web-", || numbers.next().unwrap_or_default());
    assert_eq!(name, "web-bcdfg");
    let long = generate_name(&"x".repeat(80), || 26);
    assert_eq!(long, format!("{}99999", "x".repeat(58)));
    assert_eq!(generate_name(&"é".repeat(40), || 27), format!("{}bbbbb", "é".repeat(29)));
}
