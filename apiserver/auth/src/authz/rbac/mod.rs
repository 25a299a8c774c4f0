//! Role-based access control: rules granted to subjects by bindings.
//!
//! `matching` (does a rule allow a request) ← `index` (which rules a user has) ← `covers` and
//! `escalation` (may a user grant rules).

pub mod covers;
pub mod escalation;
pub mod index;
pub mod matching;

use std::sync::Arc;

use async_trait::async_trait;

pub use index::{PolicyIndex, RoleError};

use super::{Attributes, Authorizer, Decision, ResolvedRules};
use crate::UserInfo;

/// API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// Decides by the roles and bindings in an index.
#[derive(Clone)]
pub struct Rbac {
    /// Fed by watches.
    pub index: Arc<PolicyIndex>,
}

#[async_trait]
impl Authorizer for Rbac {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let mut allowed_by = None;
        let mut missing = Vec::new();
        self.index.visit_rules(attributes.user, attributes.namespace, &mut |found| match found {
            Ok((source, rule)) if matching::rule_allows(attributes, rule) => {
                allowed_by = Some(source.to_string());
                false
            }
            Ok(_) => true,
            Err(error) => {
                missing.push(error.to_string());
                true
            }
        });
        if let Some(source) = allowed_by {
            return Decision::allow(format!("RBAC: allowed by {source}"));
        }
        if missing.is_empty() {
            return Decision::no_opinion("");
        }
        Decision::no_opinion(format!("RBAC: {}", join_errors(missing)))
    }

    async fn rules_for(&self, user: &UserInfo, namespace: &str) -> ResolvedRules {
        let (rules, errors) = self.index.rules_for(user, namespace);
        ResolvedRules { rules, incomplete: !errors.is_empty(), errors }
    }
}

/// Several errors as Go's aggregate prints them: once each, in brackets when there are several.
pub fn join_errors(mut errors: Vec<String>) -> String {
    let mut seen = hashbrown::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", errors.join(", ")),
    }
}
