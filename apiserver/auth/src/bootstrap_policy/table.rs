//! The words in which the tables of default roles and bindings are written.

/// A default role: cluster-wide when it has no namespace.
#[derive(Clone, Copy, Debug)]
pub struct RoleRow {
    /// `metadata.name`.
    pub name: &'static str,
    /// `metadata.namespace`; empty for cluster roles.
    pub namespace: &'static str,
    /// The user role (`admin`, `edit`, `view`) that takes these rules in; empty for none.
    pub aggregated_to: &'static str,
    /// The user role whose contributions this role gathers; empty for none.
    pub gathers: &'static str,
    /// What is granted.
    pub rules: &'static [Rule],
}

impl RoleRow {
    /// A row with nothing in it, to fill up others.
    pub const EMPTY: RoleRow =
        RoleRow { name: "", namespace: "", aggregated_to: "", gathers: "", rules: &[] };
}

/// A default binding, to a cluster role when it has no namespace and to a role otherwise.
#[derive(Clone, Copy, Debug)]
pub struct BindingRow {
    /// `metadata.name`.
    pub name: &'static str,
    /// `metadata.namespace`; empty for cluster role bindings.
    pub namespace: &'static str,
    /// Name of the role.
    pub role: &'static str,
    /// Who gets it.
    pub subjects: &'static [Subject],
}

impl BindingRow {
    /// A row with nothing in it, to fill up others.
    pub const EMPTY: BindingRow = BindingRow { name: "", namespace: "", role: "", subjects: &[] };
}

/// Who gets a role.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// By user name.
    User(&'static str),
    /// By group.
    Group(&'static str),
    /// By namespace and name of a service account.
    ServiceAccount(&'static str, &'static str),
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// API groups.
    pub groups: &'static [&'static str],
    /// Resources and subresources.
    pub resources: &'static [&'static str],
    /// Names of objects; empty for all.
    pub names: &'static [&'static str],
    /// Paths outside the API.
    pub urls: &'static [&'static str],
}

/// Verbs that change nothing.
pub const READ: &[&str] = &["get", "list", "watch"];
/// Verbs that change objects, one or many.
pub const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
/// Leave to record events.
pub const EVENTS: Rule = on(&["create", "patch", "update"], &["", "events.k8s.io"], &["events"]);

/// A rule on resources.
pub const fn on(
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
) -> Rule {
    Rule { verbs, groups, resources, names: &[], urls: &[] }
}

/// A rule on objects by name.
pub const fn named(
    verbs: &'static [&'static str],
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    names: &'static [&'static str],
) -> Rule {
    Rule { verbs, groups, resources, names, urls: &[] }
}

/// A rule on paths outside the API.
pub const fn urls(verbs: &'static [&'static str], urls: &'static [&'static str]) -> Rule {
    Rule { verbs, groups: &[], resources: &[], names: &[], urls }
}
