//! Decisions of the RBAC authorizer over small policies.

use super::*;
use crate::authz::rbac::Rbac;
use crate::authz::{Attributes, Authorizer, Decision};

fn rule(verb: &str, resource: &str) -> PolicyRule {
    PolicyRule {
        verbs: vec![verb.into()],
        api_groups: vec!["".into()],
        resources: vec![resource.into()],
        ..PolicyRule::default()
    }
}

fn subject(kind: &str, name: &str, namespace: &str) -> Subject {
    Subject { kind: kind.into(), name: name.into(), namespace: namespace.into(), ..Subject::default() }
}

fn reference(kind: &str, name: &str) -> RoleRef {
    RoleRef { kind: kind.into(), name: name.into(), api_group: GROUP.into() }
}

fn cluster_binding(name: &str, role: &str, subjects: Vec<Subject>) -> ClusterRoleBinding {
    let mut binding =
        ClusterRoleBinding { role_ref: reference("ClusterRole", role), subjects, ..Default::default() };
    binding.metadata.name = name.into();
    binding
}

fn binding(name: &str, role: RoleRef, subjects: Vec<Subject>) -> RoleBinding {
    let mut binding = RoleBinding { role_ref: role, subjects, ..Default::default() };
    binding.metadata.name = name.into();
    binding.metadata.namespace = "work".into();
    binding
}

fn policy() -> Rbac {
    let index = PolicyIndex::default();
    let mut reader = ClusterRole { rules: vec![rule("get", "pods")], ..Default::default() };
    reader.metadata.name = "reader".into();
    index.put_cluster_role(&reader);
    let mut writer = Role { rules: vec![rule("create", "pods")], ..Default::default() };
    writer.metadata.name = "writer".into();
    writer.metadata.namespace = "work".into();
    index.put_role(&writer);
    index.put_cluster_role_binding(&cluster_binding("readers", "reader", vec![subject("Group", "devs", "")]));
    index.put_role_binding(&binding(
        "writers",
        reference("Role", "writer"),
        vec![subject("User", "jane", ""), subject("ServiceAccount", "bot", "")],
    ));
    index.put_role_binding(&binding("lost", reference("Role", "gone"), vec![subject("User", "joe", "")]));
    Rbac { index: Arc::new(index) }
}

async fn check(user: UserInfo, verb: &str, namespace: &str, expected: Decision) {
    let attributes = Attributes { namespace, ..Attributes::resource(&user, verb, "", "pods") };
    assert_eq!(policy().authorize(&attributes).await, expected, "{user:?} {verb} {namespace:?}");
}

#[tokio::test]
async fn bindings_grant_by_group_user_and_service_account() {
    let devs = || UserInfo::new("x", ["devs"]);
    let by_group = r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to Group "devs""#;
    check(devs(), "get", "", Decision::allow(by_group)).await;
    check(devs(), "get", "work", Decision::allow(by_group)).await;
    check(devs(), "list", "work", Decision::no_opinion("")).await;
    let jane = || UserInfo::new("jane", Vec::<String>::new());
    let by_user = r#"RBAC: allowed by RoleBinding "writers/work" of Role "writer" to User "jane""#;
    check(jane(), "create", "work", Decision::allow(by_user)).await;
    check(jane(), "create", "other", Decision::no_opinion("")).await;
    check(jane(), "create", "", Decision::no_opinion("")).await;
    let bot = UserInfo::new("system:serviceaccount:work:bot", Vec::<String>::new());
    let by_account =
        r#"RBAC: allowed by RoleBinding "writers/work" of Role "writer" to ServiceAccount "bot/work""#;
    check(bot, "create", "work", Decision::allow(by_account)).await;
}

#[tokio::test]
async fn a_missing_role_is_named() {
    let joe = UserInfo::new("joe", Vec::<String>::new());
    let reason = r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#;
    check(joe, "get", "work", Decision::no_opinion(reason)).await;
}

#[test]
fn replacing_and_removing_leaves_nothing_behind() {
    let rbac = policy();
    let devs = UserInfo::new("x", ["devs"]);
    let ops = UserInfo::new("y", ["ops"]);
    let rules = |user: &UserInfo| rbac.index.rules_for(user, "").0.len();
    assert_eq!((rules(&devs), rules(&ops)), (1, 0));
    rbac.index.put_cluster_role_binding(&cluster_binding(
        "readers",
        "reader",
        vec![subject("Group", "ops", "")],
    ));
    assert_eq!((rules(&devs), rules(&ops)), (0, 1));
    rbac.index.remove_cluster_role_binding("readers");
    assert_eq!((rules(&devs), rules(&ops)), (0, 0));
    rbac.index.remove_role_binding("work", "writers");
    rbac.index.remove_role_binding("work", "lost");
    assert!(rbac.index.policy.read().bindings.is_empty());
    assert!(rbac.index.policy.read().cluster_bindings.by_subject.is_empty());
}
