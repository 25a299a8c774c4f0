//! The identity of a requester, and the names of users and groups that the system itself knows.

use std::collections::BTreeMap;

/// Name, uid, groups and extra fields of whoever sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserInfo {
    /// The name that RBAC subjects of kind `User` refer to.
    pub username: String,
    /// Stable identifier; empty when the authenticator knows none.
    pub uid: String,
    /// Groups the user is in, in the order the authenticator gave them.
    pub groups: Vec<String>,
    /// Further facts, keyed by lower-case names such as `authentication.kubernetes.io/pod-name`.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Members may do everything, whatever the authorizers say.
pub const SYSTEM_PRIVILEGED_GROUP: &str = "system:masters";
/// Every kubelet.
pub const NODES_GROUP: &str = "system:nodes";
/// Everyone who could not be identified.
pub const ALL_UNAUTHENTICATED: &str = "system:unauthenticated";
/// Everyone who could be identified.
pub const ALL_AUTHENTICATED: &str = "system:authenticated";
/// Monitoring agents.
pub const MONITORING_GROUP: &str = "system:monitoring";
/// The user of a request without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The API server when it calls itself.
pub const API_SERVER_USER: &str = "system:apiserver";
/// Prefix of the user name of a kubelet.
pub const NODE_USER_PREFIX: &str = "system:node:";
/// Prefix of the user name of a service account, followed by `<namespace>:<name>`.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// Group of all service accounts.
pub const ALL_SERVICE_ACCOUNTS_GROUP: &str = "system:serviceaccounts";
/// Prefix of the group of all service accounts of one namespace.
pub const SERVICE_ACCOUNT_GROUP_PREFIX: &str = "system:serviceaccounts:";

impl UserInfo {
    /// A user with a name and groups and nothing else.
    pub fn new<S: Into<String>>(username: impl Into<String>, groups: impl IntoIterator<Item = S>) -> Self {
        UserInfo {
            username: username.into(),
            groups: groups.into_iter().map(Into::into).collect(),
            ..UserInfo::default()
        }
    }

    /// The identity under which the API server's own loops act.
    pub fn api_server() -> Self {
        UserInfo::new(API_SERVER_USER, [SYSTEM_PRIVILEGED_GROUP])
    }

    /// The identity of a request that carries no credentials.
    pub fn anonymous() -> Self {
        UserInfo::new(ANONYMOUS, [ALL_UNAUTHENTICATED])
    }

    /// Whether the user is in `group`.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|member_of| member_of == group)
    }

    /// Whether the name is the anonymous one.
    pub fn is_anonymous(&self) -> bool {
        self.username == ANONYMOUS
    }

    /// The name of the node when the user is a kubelet: `Some("")` for a member of `system:nodes`
    /// whose name does not name a node, `None` for everybody else.
    pub fn node_identity(&self) -> Option<&str> {
        let node_name = self.username.strip_prefix(NODE_USER_PREFIX)?;
        self.in_group(NODES_GROUP).then_some(node_name)
    }
}

/// The user name of a service account.
pub fn service_account_username(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// Namespace and name of the service account a user name stands for.
///
/// `None` when the name has another prefix, another number of parts, or parts that cannot be the
/// names of a namespace and of a service account.
pub fn split_service_account_username(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (is_dns_label(namespace) && is_dns_subdomain(name)).then_some((namespace, name))
}

/// The groups every service account of `namespace` is in, without `system:authenticated`.
pub fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![ALL_SERVICE_ACCOUNTS_GROUP.to_string(), format!("{SERVICE_ACCOUNT_GROUP_PREFIX}{namespace}")]
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_split(username: &str, expected: Option<(&str, &str)>) {
        assert_eq!(split_service_account_username(username), expected, "{username}");
    }

    #[test]
    fn service_account_names_are_split() {
        check_split("system:serviceaccount:kube-system:default", Some(("kube-system", "default")));
        check_split("system:serviceaccount:a:b.c", Some(("a", "b.c")));
        check_split("system:serviceaccount:a", None);
        check_split("system:serviceaccount:a:b:c", None);
        check_split("system:serviceaccount::b", None);
        check_split("system:node:a", None);
        check_split("system:serviceaccount:a.b:c", None);
    }

    #[test]
    fn a_kubelet_needs_both_prefix_and_group() {
        assert_eq!(UserInfo::new("system:node:n1", [NODES_GROUP]).node_identity(), Some("n1"));
        assert_eq!(UserInfo::new("system:node:", [NODES_GROUP]).node_identity(), Some(""));
        assert_eq!(UserInfo::new("system:node:n1", ["other"]).node_identity(), None);
        assert_eq!(UserInfo::new("n1", [NODES_GROUP]).node_identity(), None);
    }
}
