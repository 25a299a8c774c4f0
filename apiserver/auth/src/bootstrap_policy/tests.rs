//! The tables against upstream's own record of its policy, and reconciliation.

use machinery::{Message, Resource};
use serde_json::{Value, json};

use super::*;

/// Upstream's source in Go's module cache, when this machine has it.
fn upstream_testdata(file: &str) -> Option<Vec<Value>> {
    let home = std::env::var("HOME").ok()?;
    let folder =
        "go/pkg/mod/k8s.io/kubernetes@v1.36.0/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata";
    let text = std::fs::read_to_string(format!("{home}/{folder}/{file}")).ok()?;
    let list: Value = serde_yaml::from_str(&text).expect("upstream's file is YAML");
    list["items"].as_array().cloned()
}

fn by_name(objects: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let key = |object: &Value| {
        let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_string();
        format!("{}/{}", part("namespace"), part("name"))
    };
    objects.into_iter().map(|object| (key(&object), object)).collect()
}

/// `rules: null` and an absent list mean the same.
fn normalize(mut object: Value) -> Value {
    if object["rules"].is_null()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("rules");
    }
    object
}

fn check_table<T: Resource>(ours: Vec<T>, files: &[&str]) {
    let upstream: Option<Vec<Value>> =
        files.iter().map(|file| upstream_testdata(file)).collect::<Option<Vec<_>>>().map(|all| all.concat());
    let Some(upstream) = upstream else {
        eprintln!("skipped: upstream's source is not on this machine");
        return;
    };
    let ours = by_name(ours.iter().map(|object| {
        let json: Value = serde_json::from_slice(&object.to_json()).expect("our JSON");
        normalize(json)
    }));
    let upstream = by_name(upstream.into_iter().map(normalize));
    assert_eq!(ours.keys().collect::<Vec<_>>(), upstream.keys().collect::<Vec<_>>());
    for (name, object) in &upstream {
        // Through the codec, so that the order of fields and empty fields do not matter.
        let wanted: Value = serde_json::from_slice(&T::from_value(object).unwrap().to_json()).unwrap();
        assert_eq!(ours[name], normalize(wanted), "{name}");
    }
}

#[test]
fn tables_are_those_of_upstream() {
    check_table(cluster_roles(), &["cluster-roles.yaml", "controller-roles.yaml"]);
    check_table(cluster_role_bindings(), &["cluster-role-bindings.yaml", "controller-role-bindings.yaml"]);
    check_table(roles(), &["namespace-roles.yaml"]);
    check_table(role_bindings(), &["namespace-role-bindings.yaml"]);
}

#[test]
fn names_are_unique_and_bindings_lead_to_roles() {
    let roles: Vec<String> = cluster_roles().into_iter().map(|role| role.metadata.name).collect();
    let unique: std::collections::BTreeSet<&String> = roles.iter().collect();
    assert_eq!(unique.len(), roles.len());
    for binding in cluster_role_bindings() {
        assert!(roles.contains(&binding.role_ref.name), "{}", binding.role_ref.name);
    }
    assert!(!node_rules().is_empty());
}

fn parse<T: Message>(value: Value) -> T {
    T::from_value(&value).unwrap()
}

fn role_named(rules: Value, annotations: Value) -> ClusterRole {
    parse(json!({"metadata": {"name": "r", "annotations": annotations}, "rules": rules}))
}

fn rule(verbs: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [""], "resources": ["pods"]})
}

#[test]
fn roles_gain_what_they_lack_and_keep_what_they_have() {
    let expected = role_named(json!([rule(&["get", "list"])]), json!({AUTO_UPDATE_ANNOTATION: "true"}));
    let more = role_named(json!([rule(&["get", "list", "delete"])]), json!({AUTO_UPDATE_ANNOTATION: "true"}));
    assert_eq!(reconcile::cluster_role(&expected, &expected), None);
    assert_eq!(reconcile::cluster_role(&more, &expected), None);
    let less = role_named(json!([rule(&["get"])]), json!({"mine": "x"}));
    let fixed = reconcile::cluster_role(&less, &expected).unwrap();
    assert_eq!(fixed.rules, role_named(json!([rule(&["get"]), rule(&["list"])]), json!({})).rules);
    assert_eq!(fixed.metadata.annotations.len(), 2);
    assert_eq!(reconcile::cluster_role(&fixed, &expected), None, "the second time changes nothing");
    let protected = role_named(json!([]), json!({AUTO_UPDATE_ANNOTATION: "false"}));
    assert_eq!(reconcile::cluster_role(&protected, &expected), None);
}

#[test]
fn bindings_gain_subjects_and_are_made_anew_for_another_role() {
    let binding = |role: &str, subjects: Value| -> ClusterRoleBinding {
        let role_ref = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": role});
        parse(json!({"metadata": {"name": "b"}, "roleRef": role_ref, "subjects": subjects}))
    };
    let (a, b) = (json!({"kind": "User", "name": "a"}), json!({"kind": "User", "name": "b"}));
    let expected = binding("r", json!([a]));
    assert_eq!(reconcile::cluster_role_binding(&expected, &expected), None);
    let existing = binding("r", json!([b]));
    let merged = reconcile::BindingChange::Update(binding("r", json!([b, a])));
    assert_eq!(reconcile::cluster_role_binding(&existing, &expected), Some(merged));
    let other = reconcile::BindingChange::Recreate(expected.clone());
    assert_eq!(reconcile::cluster_role_binding(&binding("other", json!([])), &expected), Some(other));
}
