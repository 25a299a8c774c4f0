//! Each line beside what upstream's kubectl says of it.

use super::*;

fn misuse(line: &str) -> Misuse {
    let arguments: Vec<OsString> =
        std::iter::once("kubectl").chain(line.split_whitespace()).map(OsString::from).collect();
    let root = crate::app::command();
    let error = root.clone().try_get_matches_from(&arguments).expect_err(line);
    explain(&error, &arguments, &root)
}

#[test]
fn lines_are_refused_in_upstreams_words() {
    let check = |line: &str, code: i32, expected: &str| {
        let found = misuse(line);
        assert_eq!((found.err.as_str(), found.code), (format!("{expected}\n").as_str(), code), "{line}");
    };
    let flag = |line: &str, command: &str, text: &str| {
        check(line, 1, &format!("error: {text}\nSee '{command} --help' for usage."));
    };
    flag("get --foo", "kubectl get", "unknown flag: --foo");
    flag("-n x get --foo=bar", "kubectl get", "unknown flag: --foo");
    flag("--foo", "kubectl", "unknown flag: --foo");
    flag("create secret tls x --foo", "kubectl create secret tls", "unknown flag: --foo");
    flag("get -Z", "kubectl get", "unknown shorthand flag: 'Z' in -Z");
    flag("get pods -AZw", "kubectl get", "unknown shorthand flag: 'Z' in -Zw");
    flag("get -o", "kubectl get", "flag needs an argument: 'o' in -o");
    flag("get --output", "kubectl get", "flag needs an argument: --output");
    flag(
        "get --watch=maybe pods",
        "kubectl get",
        "invalid argument \"maybe\" for \"-w, --watch\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    );
    flag(
        "scale --replicas=x deploy/a",
        "kubectl scale",
        "invalid argument \"x\" for \"--replicas\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
    );
    flag(
        "get pods --v=x",
        "kubectl get",
        "invalid argument \"x\" for \"-v, --v\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
    );
    check("diff --foo", 2, "error: unknown flag: --foo\nSee 'kubectl diff -h' for help and examples");
    check("scale", 1, "error: required flag(s) \"replicas\" not set");
    check("create deployment x", 1, "error: required flag(s) \"image\" not set");
    check(
        "create nonsense",
        1,
        "error: Unexpected args: [nonsense]\nSee 'kubectl create -h' for help and examples",
    );
    check("rollout foo", 1, "error: unknown command \"foo\"\nSee 'kubectl rollout -h' for help and examples");
    check("exec", 1, "error: pod, type/name or --filename must be specified");
    check("attach", 1, "error: at least 1 argument is required for attach");
    check(
        "port-forward a",
        1,
        "error: TYPE/NAME and list of ports are required for port-forward\nSee 'kubectl port-forward -h' for help and examples",
    );
    check("completion", 1, "error: Shell not specified.\nSee 'kubectl completion -h' for help and examples");
    check(
        "completion foo",
        1,
        "error: Unsupported shell type \"foo\".\nSee 'kubectl completion -h' for help and examples",
    );
    check(
        "create configmap a b",
        1,
        "error: exactly one NAME is required, got 2\nSee 'kubectl create configmap -h' for help and examples",
    );
    check(
        "create secret tls",
        1,
        "error: exactly one NAME is required, got 0\nSee 'kubectl create secret tls -h' for help and examples",
    );
    check("create secret tls x", 1, "error: key and cert must be specified");
    check(
        "-n x gett",
        1,
        "error: unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n\tset\n\tget",
    );
    check("config use-context", 1, "error: Unexpected args: []");
}

#[test]
fn a_choice_that_is_missing_shows_the_help() {
    for (line, code, out) in [
        ("", 0, true),
        ("rollout", 1, true),
        ("certificate", 0, true),
        ("top", 1, false),
        ("config", 1, false),
        ("create secret", 1, false),
    ] {
        let found = misuse(line);
        assert_eq!(found.code, code, "{line}");
        assert_eq!((found.out.contains("Usage:"), found.err.contains("Usage:")), (out, !out), "{line}");
    }
}
