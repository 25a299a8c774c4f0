//! Tables for applying and making strategic merge patches. Objects and patches are YAML.

use serde_json::Value;

use super::*;
use crate::codec::yaml::from_str;
use crate::patch::testing::THING;

fn read(text: &str) -> Value {
    from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check_apply(original: &str, patch: &str, expected: &str) {
    let result = apply(read(original), read(patch), &THING);
    assert_eq!(result, Ok(read(expected)), "patch {patch}");
}

fn check_error(original: &str, patch: &str, expected: &str) {
    let result = apply(read(original), read(patch), &THING).map_err(|error| error.to_string());
    assert_eq!(result, Err(expected.to_owned()), "patch {patch}");
}

/// The patch has the expected text, and applying it gives the modified object.
fn check_two_way(original: &str, modified: &str, expected: &str) {
    let (original, modified) = (read(original), read(modified));
    let patch = create_two_way(&original, &modified, &THING);
    assert_eq!(patch, Ok(read(expected)));
    let applied = apply(original, patch.unwrap_or_default(), &THING);
    assert_eq!(applied, Ok(modified));
}

#[test]
fn maps_merge() {
    check_apply("{spec: {replicas: 1}}", "{spec: {replicas: 2}}", "{spec: {replicas: 2}}");
    check_apply(
        "{spec: {nodeSelector: {a: b}}}",
        "{spec: {nodeSelector: {c: d}}}",
        "{spec: {nodeSelector: {a: b, c: d}}}",
    );
    check_apply(
        "{spec: {nodeSelector: {a: b}}}",
        "{spec: {nodeSelector: {a: null, z: null}}}",
        "{spec: {nodeSelector: {}}}",
    );
    check_apply("{}", "{spec: {nodeSelector: {a: b, c: null}}}", "{spec: {nodeSelector: {a: b}}}");
    check_apply(
        "{spec: {nodeSelector: {a: b}}}",
        "{spec: {nodeSelector: {$patch: replace, c: d}}}",
        "{spec: {nodeSelector: {c: d}}}",
    );
    check_apply(
        "{spec: {nodeSelector: {a: b}}}",
        "{spec: {nodeSelector: {$patch: delete}}}",
        "{spec: {nodeSelector: {}}}",
    );
    check_apply("{}", "{spec: {nodeSelector: {$patch: delete}}}", "{spec: {}}");
    check_error(
        "{spec: {nodeSelector: {a: b}}}",
        "{spec: {nodeSelector: {$patch: odd}}}",
        "unknown patch type: odd in map: map[$patch:odd]",
    );
    check_error(
        "{odd: {a: b}}",
        "{odd: {a: c}}",
        "unable to find api field in struct Thing for the json field \"odd\"",
    );
}

#[test]
fn lists_of_maps_merge_by_key() {
    let original = "{spec: {containers: [{name: a, image: x, args: [p]}, {name: b}]}}";
    check_apply(
        original,
        "{spec: {containers: [{name: a, image: y, args: [q]}]}}",
        "{spec: {containers: [{name: a, image: y, args: [q]}, {name: b}]}}",
    );
    check_apply(
        original,
        "{spec: {containers: [{name: c}]}}",
        "{spec: {containers: [{name: c}, {name: a, image: x, args: [p]}, {name: b}]}}",
    );
    check_apply(
        original,
        "{spec: {containers: [{name: a, $patch: delete}]}}",
        "{spec: {containers: [{name: b}]}}",
    );
    check_apply(
        original,
        "{spec: {containers: [{$patch: replace}, {name: c}]}}",
        "{spec: {containers: [{name: c}]}}",
    );
    check_apply(
        original,
        "{spec: {containers: [{name: b, image: z}], $setElementOrder/containers: [{name: b}, {name: a}]}}",
        "{spec: {containers: [{name: b, image: z}, {name: a, image: x, args: [p]}]}}",
    );
    check_error(
        original,
        "{spec: {containers: [{image: q}]}}",
        "map: map[image:q] does not contain declared merge key: name",
    );
    check_error(
        original,
        "{spec: {containers: [{name: a, $patch: merge}]}}",
        "merging lists cannot yet be specified in the patch",
    );
    check_error(original, "{spec: {containers: [[a]]}}", "lists of lists are not supported");
    check_error(
        original,
        "{spec: {containers: [{name: b}, {name: a}], $setElementOrder/containers: [{name: a}, {name: b}]}}",
        "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n",
    );
    check_error(
        original,
        "{spec: {$setElementOrder/containers: 5}}",
        "expected a []interface {}, but received a int64",
    );
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    let original = "{metadata: {finalizers: [a, b]}}";
    check_apply(original, "{metadata: {finalizers: [c, a]}}", "{metadata: {finalizers: [c, a, b]}}");
    check_apply(
        original,
        "{metadata: {$deleteFromPrimitiveList/finalizers: [a]}}",
        "{metadata: {finalizers: [b]}}",
    );
    check_apply(
        original,
        "{metadata: {finalizers: [c], $setElementOrder/finalizers: [b, c]}}",
        "{metadata: {finalizers: [a, b, c]}}",
    );
    check_error(
        original,
        "{metadata: {finalizers: [5]}}",
        "list element types are not identical: [[a b] [5]]",
    );
}

#[test]
fn retained_keys_drop_the_rest() {
    let original = "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {name: x}}, volumes: [{name: v, emptyDir: {name: e}}]}}";
    check_apply(
        original,
        "{spec: {strategy: {$retainKeys: [type], type: Recreate}}}",
        "{spec: {strategy: {type: Recreate}, volumes: [{name: v, emptyDir: {name: e}}]}}",
    );
    check_apply(
        original,
        "{spec: {volumes: [{name: v, $retainKeys: [name, hostPath], hostPath: {name: h}}]}}",
        "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {name: x}}, volumes: [{name: v, hostPath: {name: h}}]}}",
    );
    check_error(
        original,
        "{spec: {strategy: {$retainKeys: [rollingUpdate], type: Recreate}}}",
        "invalid patch format of retainKeys",
    );
}

#[test]
fn two_way_patches() {
    check_two_way("{spec: {replicas: 1}}", "{spec: {replicas: 2}}", "{spec: {replicas: 2}}");
    check_two_way(
        "{spec: {nodeSelector: {a: b, c: d}}}",
        "{spec: {nodeSelector: {a: e}}}",
        "{spec: {nodeSelector: {a: e, c: null}}}",
    );
    check_two_way(
        "{spec: {containers: [{name: a, image: x}, {name: b}]}}",
        "{spec: {containers: [{name: c}, {name: a, image: y}]}}",
        "{spec: {containers: [{name: c}, {name: a, image: y}, {name: b, $patch: delete}], $setElementOrder/containers: [{name: c}, {name: a}]}}",
    );
    check_two_way(
        "{spec: {containers: [{name: a}, {name: b}]}}",
        "{spec: {containers: [{name: b}, {name: a}]}}",
        "{spec: {$setElementOrder/containers: [{name: b}, {name: a}]}}",
    );
    check_two_way(
        "{metadata: {finalizers: [a, b]}}",
        "{metadata: {finalizers: [b, c]}}",
        "{metadata: {finalizers: [c], $deleteFromPrimitiveList/finalizers: [a], $setElementOrder/finalizers: [b, c]}}",
    );
    check_two_way(
        "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {name: x}}}}",
        "{spec: {strategy: {type: Recreate}}}",
        "{spec: {strategy: {type: Recreate, rollingUpdate: null, $retainKeys: [type]}}}",
    );
    check_two_way(
        "{spec: {containers: [{name: a, args: [x]}]}}",
        "{spec: {containers: [{name: a, args: [y, x]}]}}",
        "{spec: {containers: [{name: a, args: [y, x]}], $setElementOrder/containers: [{name: a}]}}",
    );
    check_two_way("{spec: {replicas: 1}}", "{spec: {replicas: 1}}", "{}");
}

#[test]
fn three_way_patches() {
    let original = read("{spec: {replicas: 1, nodeSelector: {a: b, gone: x}}}");
    let modified = read("{spec: {replicas: 3, nodeSelector: {a: b}}}");
    let current =
        read("{spec: {replicas: 2, nodeSelector: {a: b, gone: x, server: q}}, status: {phase: up}}");
    let patch = create_three_way(&original, &modified, &current, &THING, true, &[]);
    assert_eq!(patch, Ok(read("{spec: {replicas: 3, nodeSelector: {gone: null}}}")));
    let applied = apply(current.clone(), patch.unwrap_or_default(), &THING);
    assert_eq!(
        applied,
        Ok(read("{spec: {replicas: 3, nodeSelector: {a: b, server: q}}, status: {phase: up}}"))
    );

    let conflict = create_three_way(&original, &modified, &current, &THING, false, &[]);
    let text = conflict.map_err(|error| error.to_string());
    assert_eq!(
        text,
        Err("patch:\nspec:\n  nodeSelector:\n    gone: null\n  replicas: 3\n\nconflicts with changes made from original to current:\nspec:\n  nodeSelector:\n    server: q\n  replicas: 2\nstatus:\n  phase: up\n\n".to_owned())
    );
    let same = create_three_way(&original, &modified, &original, &THING, false, &[]);
    assert_eq!(same, Ok(read("{spec: {replicas: 3, nodeSelector: {gone: null}}}")));
}

#[test]
fn preconditions() {
    let (original, modified) = (read("{metadata: {name: a}}"), read("{metadata: {name: b}}"));
    let name_stays = metadata_key_unchanged("name");
    let kind_stays = key_unchanged("kind");
    let checks: [Precondition<'_>; 2] = [&name_stays, &kind_stays];
    let patch = create_three_way(&original, &modified, &original, &THING, true, &checks);
    let text = patch.map_err(|error| error.to_string());
    assert_eq!(text, Err("precondition failed for: map[metadata:map[name:b]]".to_owned()));
    assert!(create_three_way(&original, &original, &original, &THING, true, &checks).is_ok());
}

#[test]
fn answers_of_the_apiserver() {
    for (error, code, reason) in [
        (StrategicError::BadDocument, 400, "BadRequest"),
        (StrategicError::RetainKeysFormat, 400, "BadRequest"),
        (StrategicError::ListOfLists, 422, "Invalid"),
        (StrategicError::NoDeclaredKey, 500, ""),
    ] {
        let status = error.to_status();
        assert_eq!((status.code(), status.reason()), (code, reason));
    }
    assert_eq!(apply(read("{}"), read("[]"), &THING), Err(StrategicError::BadDocument));
}
