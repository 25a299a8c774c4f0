//! Roles and bindings arranged so that the rules of a user are found without scanning bindings.

use std::fmt;
use std::sync::Arc;

use api_types::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;

use super::GROUP;
use crate::UserInfo;
use crate::user::split_service_account_username;

/// A binding refers to a role that cannot be followed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RoleError {
    /// The role does not exist.
    #[error("{resource}.{GROUP} {name:?} not found")]
    NotFound {
        /// `role` or `clusterrole`, in the singular as upstream's lister says it.
        resource: &'static str,
        /// Name in the reference.
        name: String,
    },
    /// The reference has an unknown kind.
    #[error("unsupported role reference kind: {0:?}")]
    UnsupportedKind(String),
}

/// Whom a subject of a binding stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SubjectKey {
    User(String),
    Group(String),
    ServiceAccount(String, String),
}

#[derive(Debug)]
struct Binding {
    /// Empty for cluster role bindings.
    namespace: String,
    name: String,
    role: RoleRef,
    subjects: Vec<Subject>,
}

#[derive(Debug, Default)]
struct Bindings {
    by_name: HashMap<String, Arc<Binding>>,
    by_subject: HashMap<SubjectKey, Vec<Arc<Binding>>>,
}

impl Bindings {
    fn remove(&mut self, name: &str) {
        let Some(old) = self.by_name.remove(name) else { return };
        for key in subject_keys(&old) {
            if let Some(bindings) = self.by_subject.get_mut(&key) {
                bindings.retain(|binding| binding.name != name);
                if bindings.is_empty() {
                    self.by_subject.remove(&key);
                }
            }
        }
    }

    fn insert(&mut self, binding: Binding) {
        self.remove(&binding.name);
        let binding = Arc::new(binding);
        for key in subject_keys(&binding) {
            self.by_subject.entry(key).or_default().push(binding.clone());
        }
        self.by_name.insert(binding.name.clone(), binding);
    }

    /// Bindings of the user, each once, in the order user, service account, groups.
    fn of(&self, user: &UserInfo) -> Vec<(Arc<Binding>, SubjectKey)> {
        let account = split_service_account_username(&user.username)
            .map(|(namespace, name)| SubjectKey::ServiceAccount(namespace.into(), name.into()));
        let keys = std::iter::once(SubjectKey::User(user.username.clone()))
            .chain(account)
            .chain(user.groups.iter().cloned().map(SubjectKey::Group));
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for key in keys {
            for binding in self.by_subject.get(&key).into_iter().flatten() {
                if seen.insert(binding.name.clone()) {
                    found.push((binding.clone(), key.clone()));
                }
            }
        }
        found
    }
}

fn subject_keys(binding: &Binding) -> HashSet<SubjectKey> {
    binding.subjects.iter().filter_map(|subject| subject_key(subject, &binding.namespace)).collect()
}

fn subject_key(subject: &Subject, binding_namespace: &str) -> Option<SubjectKey> {
    match subject.kind.as_str() {
        "User" => Some(SubjectKey::User(subject.name.clone())),
        "Group" => Some(SubjectKey::Group(subject.name.clone())),
        "ServiceAccount" => {
            let own = subject.namespace.as_str();
            let namespace = if own.is_empty() { binding_namespace } else { own };
            (!namespace.is_empty())
                .then(|| SubjectKey::ServiceAccount(namespace.to_string(), subject.name.clone()))
        }
        _ => None,
    }
}

/// The binding that grants a rule, printed as in upstream's audit annotation.
#[derive(Debug)]
pub struct Source<'a> {
    binding: &'a Binding,
    subject: &'a SubjectKey,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Binding { namespace, name, role, .. } = self.binding;
        if namespace.is_empty() {
            write!(f, "ClusterRoleBinding {name:?}")?;
        } else {
            write!(f, "RoleBinding {:?}", format!("{name}/{namespace}"))?;
        }
        write!(f, " of {} {:?} to ", role.kind, role.name)?;
        match self.subject {
            SubjectKey::User(name) => write!(f, "User {name:?}"),
            SubjectKey::Group(name) => write!(f, "Group {name:?}"),
            SubjectKey::ServiceAccount(namespace, name) => {
                write!(f, "ServiceAccount {:?}", format!("{name}/{namespace}"))
            }
        }
    }
}

#[derive(Debug, Default)]
struct Policy {
    cluster_roles: HashMap<String, Arc<[PolicyRule]>>,
    roles: HashMap<(String, String), Arc<[PolicyRule]>>,
    cluster_bindings: Bindings,
    bindings: HashMap<String, Bindings>,
}

/// All roles and bindings of the cluster, kept up to date by whoever watches them.
#[derive(Debug, Default)]
pub struct PolicyIndex {
    policy: RwLock<Policy>,
}

/// What a visitor of rules is shown.
pub type Found<'a> = Result<(Source<'a>, &'a PolicyRule), RoleError>;

impl PolicyIndex {
    /// Adds or replaces a cluster role.
    pub fn put_cluster_role(&self, role: &ClusterRole) {
        self.policy.write().cluster_roles.insert(role.metadata.name.clone(), role.rules.as_slice().into());
    }

    /// Removes a cluster role.
    pub fn remove_cluster_role(&self, name: &str) {
        self.policy.write().cluster_roles.remove(name);
    }

    /// Adds or replaces a role.
    pub fn put_role(&self, role: &Role) {
        let key = (role.metadata.namespace.clone(), role.metadata.name.clone());
        self.policy.write().roles.insert(key, role.rules.as_slice().into());
    }

    /// Removes a role.
    pub fn remove_role(&self, namespace: &str, name: &str) {
        self.policy.write().roles.remove(&(namespace.to_string(), name.to_string()));
    }

    /// Adds or replaces a cluster role binding.
    pub fn put_cluster_role_binding(&self, binding: &ClusterRoleBinding) {
        self.policy.write().cluster_bindings.insert(Binding {
            namespace: String::new(),
            name: binding.metadata.name.clone(),
            role: binding.role_ref.clone(),
            subjects: binding.subjects.clone(),
        });
    }

    /// Removes a cluster role binding.
    pub fn remove_cluster_role_binding(&self, name: &str) {
        self.policy.write().cluster_bindings.remove(name);
    }

    /// Adds or replaces a role binding.
    pub fn put_role_binding(&self, binding: &RoleBinding) {
        let namespace = binding.metadata.namespace.clone();
        self.policy.write().bindings.entry(namespace.clone()).or_default().insert(Binding {
            namespace,
            name: binding.metadata.name.clone(),
            role: binding.role_ref.clone(),
            subjects: binding.subjects.clone(),
        });
    }

    /// Removes a role binding.
    pub fn remove_role_binding(&self, namespace: &str, name: &str) {
        let mut policy = self.policy.write();
        let Some(bindings) = policy.bindings.get_mut(namespace) else { return };
        bindings.remove(name);
        if bindings.by_name.is_empty() {
            policy.bindings.remove(namespace);
        }
    }

    /// Shows `visitor` the rules of `user` that hold in `namespace` (cluster-wide ones alone when it
    /// is empty) until it returns `false`. The index is locked meanwhile: visitors must not change it.
    pub fn visit_rules(&self, user: &UserInfo, namespace: &str, visitor: &mut dyn FnMut(Found<'_>) -> bool) {
        let policy = self.policy.read();
        let local = (!namespace.is_empty()).then(|| policy.bindings.get(namespace)).flatten();
        for bindings in std::iter::once(&policy.cluster_bindings).chain(local) {
            for (binding, subject) in bindings.of(user) {
                let rules = match policy.rules_of(&binding.role, &binding.namespace) {
                    Ok(rules) => rules,
                    Err(error) => match visitor(Err(error)) {
                        true => continue,
                        false => return,
                    },
                };
                for rule in rules {
                    if !visitor(Ok((Source { binding: &binding, subject: &subject }, rule))) {
                        return;
                    }
                }
            }
        }
    }

    /// All rules of `user` in `namespace`, and what could not be followed.
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<PolicyRule>, Vec<String>) {
        let (mut rules, mut errors) = (Vec::new(), Vec::new());
        self.visit_rules(user, namespace, &mut |found| {
            match found {
                Ok((_, rule)) => rules.push(rule.clone()),
                Err(error) => errors.push(error.to_string()),
            }
            true
        });
        (rules, errors)
    }

    /// The rules a reference in a binding of `namespace` leads to.
    pub fn rules_of(&self, reference: &RoleRef, namespace: &str) -> Result<Vec<PolicyRule>, RoleError> {
        self.policy.read().rules_of(reference, namespace).map(<[PolicyRule]>::to_vec)
    }
}

impl Policy {
    fn rules_of(&self, reference: &RoleRef, namespace: &str) -> Result<&[PolicyRule], RoleError> {
        let (resource, rules) = match reference.kind.as_str() {
            "ClusterRole" => ("clusterrole", self.cluster_roles.get(&reference.name)),
            "Role" => ("role", self.roles.get(&(namespace.to_string(), reference.name.clone()))),
            other => return Err(RoleError::UnsupportedKind(other.to_string())),
        };
        match rules {
            Some(rules) => Ok(rules),
            None => Err(RoleError::NotFound { resource, name: reference.name.clone() }),
        }
    }
}

#[cfg(test)]
mod tests;
