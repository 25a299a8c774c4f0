//! Nobody grants more than they have: the check before a role or binding is written.

use std::collections::BTreeSet;

use api_types::rbac::v1::{PolicyRule, RoleRef};

use super::index::{PolicyIndex, RoleError};
use super::{GROUP, covers};
use crate::UserInfo;
use crate::authz::{Attributes, Authorizer};
use crate::user::SYSTEM_PRIVILEGED_GROUP;

/// Why a role or binding may not be written.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EscalationError {
    /// The writer lacks some of the rights; the text is upstream's.
    #[error("{0}")]
    Missing(String),
    /// The binding refers to a role that does not exist.
    #[error(transparent)]
    Role(#[from] RoleError),
}

/// Checks that `user`, who lacks nothing by special permission, holds all of `rules` in `namespace`.
pub fn confirm_no_escalation(
    index: &PolicyIndex,
    user: &UserInfo,
    namespace: &str,
    rules: &[PolicyRule],
) -> Result<(), EscalationError> {
    let (held, errors) = index.rules_for(user, namespace);
    let missing = covers::uncovered(&held, rules);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: BTreeSet<String> = covers::compact(&missing).iter().map(covers::describe).collect();
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut text = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.username,
        groups.join(" "),
        lines.into_iter().collect::<Vec<_>>().join("\n")
    );
    if !errors.is_empty() {
        text.push_str(&format!("; resolution errors: [{}]", errors.join(", ")));
    }
    Err(EscalationError::Missing(text))
}

/// Checks a role or cluster role (`resource` is its plural) about to be written with `rules`.
pub async fn check_role(
    index: &PolicyIndex,
    authorizer: &dyn Authorizer,
    user: &UserInfo,
    (resource, namespace, name): (&str, &str, &str),
    rules: &[PolicyRule],
    aggregates: bool,
) -> Result<(), EscalationError> {
    if user.in_group(SYSTEM_PRIVILEGED_GROUP) {
        return Ok(());
    }
    let escalate = Attributes { namespace, name, ..Attributes::resource(user, "escalate", GROUP, resource) };
    if authorizer.authorize(&escalate).await.is_allowed() {
        return Ok(());
    }
    confirm_no_escalation(index, user, namespace, rules)?;
    // Whoever writes the aggregation rule decides what the role will hold, so they must hold all.
    if aggregates && confirm_no_escalation(index, user, namespace, &full_authority()).is_err() {
        let text = "must have cluster-admin privileges to use the aggregationRule";
        return Err(EscalationError::Missing(text.into()));
    }
    Ok(())
}

/// Checks a binding in `namespace` (empty for cluster role bindings) to `reference`.
pub async fn check_binding(
    index: &PolicyIndex,
    authorizer: &dyn Authorizer,
    user: &UserInfo,
    namespace: &str,
    reference: &RoleRef,
) -> Result<(), EscalationError> {
    if user.in_group(SYSTEM_PRIVILEGED_GROUP) {
        return Ok(());
    }
    let resource = match reference.kind.as_str() {
        "ClusterRole" => Some("clusterroles"),
        "Role" => Some("roles"),
        _ => None,
    };
    if let Some(resource) = resource {
        let bind = Attributes {
            namespace,
            name: &reference.name,
            ..Attributes::resource(user, "bind", &reference.api_group, resource)
        };
        if authorizer.authorize(&bind).await.is_allowed() {
            return Ok(());
        }
    }
    let rules = index.rules_of(reference, namespace)?;
    confirm_no_escalation(index, user, namespace, &rules)
}

fn full_authority() -> Vec<PolicyRule> {
    let all = || vec!["*".to_string()];
    vec![
        PolicyRule { verbs: all(), api_groups: all(), resources: all(), ..PolicyRule::default() },
        PolicyRule { verbs: all(), non_resource_urls: all(), ..PolicyRule::default() },
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, Subject};

    use super::*;
    use crate::authz::rbac::Rbac;

    fn rule(verbs: &[&str], resource: &str) -> PolicyRule {
        PolicyRule {
            verbs: verbs.iter().map(|v| v.to_string()).collect(),
            api_groups: vec!["".into(), GROUP.into()],
            resources: vec![resource.into()],
            ..PolicyRule::default()
        }
    }

    /// jane may get pods; `escalate` and `bind` come with `extra`.
    fn rbac(extra: Option<PolicyRule>) -> Rbac {
        let index = PolicyIndex::default();
        let mut role = ClusterRole { rules: vec![rule(&["get"], "pods")], ..Default::default() };
        role.rules.extend(extra);
        role.metadata.name = "held".into();
        index.put_cluster_role(&role);
        let mut binding = ClusterRoleBinding {
            role_ref: reference("held"),
            subjects: vec![Subject { kind: "User".into(), name: "jane".into(), ..Default::default() }],
            ..Default::default()
        };
        binding.metadata.name = "b".into();
        index.put_cluster_role_binding(&binding);
        let mut strong = ClusterRole { rules: vec![rule(&["delete", "list"], "pods")], ..Default::default() };
        strong.metadata.name = "strong".into();
        index.put_cluster_role(&strong);
        Rbac { index: Arc::new(index) }
    }

    fn reference(name: &str) -> RoleRef {
        RoleRef { kind: "ClusterRole".into(), name: name.into(), api_group: GROUP.into() }
    }

    async fn role(
        groups: &[&str],
        extra: Option<PolicyRule>,
        rules: &[PolicyRule],
        aggregates: bool,
    ) -> String {
        let rbac = rbac(extra);
        let user = UserInfo::new("jane", groups.iter().copied());
        let target = ("clusterroles", "", "new");
        let outcome = check_role(&rbac.index, &rbac, &user, target, rules, aggregates).await;
        outcome.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn roles_may_hold_only_what_the_writer_holds() {
        assert_eq!(role(&[], None, &[rule(&["get"], "pods")], false).await, "");
        let expected = "user \"jane\" (groups=[\"g\"]) is attempting to grant RBAC permissions not currently held:\n\
            {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n\
            {APIGroups:[\"rbac.authorization.k8s.io\"], Resources:[\"pods\"], Verbs:[\"delete\"]}";
        assert_eq!(role(&["g"], None, &[rule(&["get", "delete"], "pods")], false).await, expected);
        assert_eq!(role(&["system:masters"], None, &[rule(&["delete"], "pods")], false).await, "");
        let escalate = Some(rule(&["escalate"], "clusterroles"));
        assert_eq!(role(&[], escalate, &[rule(&["delete"], "pods")], false).await, "");
        let text = "must have cluster-admin privileges to use the aggregationRule";
        assert_eq!(role(&[], None, &[], true).await, text);
    }

    #[tokio::test]
    async fn bindings_need_the_rights_or_the_verb_bind() {
        let jane = UserInfo::new("jane", Vec::<String>::new());
        let check = async |extra: Option<PolicyRule>, name: &str| {
            let rbac = rbac(extra);
            check_binding(&rbac.index, &rbac, &jane, "", &reference(name)).await
        };
        assert_eq!(check(None, "held").await, Ok(()));
        assert!(matches!(check(None, "strong").await, Err(EscalationError::Missing(_))));
        assert_eq!(check(Some(rule(&["bind"], "clusterroles")), "strong").await, Ok(()));
        assert!(matches!(check(None, "absent").await, Err(EscalationError::Role(_))));
    }
}
