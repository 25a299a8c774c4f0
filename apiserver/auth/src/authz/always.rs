//! Authorizers with one answer: AlwaysAllow, AlwaysDeny, and the group that may do everything.

use api_types::rbac::v1::PolicyRule;
use async_trait::async_trait;

use super::{Attributes, Authorizer, Decision, ResolvedRules};
use crate::UserInfo;

fn everything() -> Vec<PolicyRule> {
    let all = || vec!["*".to_string()];
    vec![
        PolicyRule { verbs: all(), api_groups: all(), resources: all(), ..PolicyRule::default() },
        PolicyRule { verbs: all(), non_resource_urls: all(), ..PolicyRule::default() },
    ]
}

/// Allows every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysAllow;

#[async_trait]
impl Authorizer for AlwaysAllow {
    async fn authorize(&self, _: &Attributes<'_>) -> Decision {
        Decision::allow("")
    }

    async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
        ResolvedRules { rules: everything(), ..ResolvedRules::default() }
    }
}

/// Has no opinion about anything, so that as the last authorizer it refuses.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysDeny;

#[async_trait]
impl Authorizer for AlwaysDeny {
    async fn authorize(&self, _: &Attributes<'_>) -> Decision {
        Decision::no_opinion("Everything is forbidden.")
    }

    async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
        ResolvedRules::default()
    }
}

/// Allows every request of a member of one of the groups.
#[derive(Clone, Debug, Default)]
pub struct PrivilegedGroups(pub Vec<String>);

#[async_trait]
impl Authorizer for PrivilegedGroups {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let member = self.0.iter().any(|group| attributes.user.in_group(group));
        if member { Decision::allow("") } else { Decision::no_opinion("") }
    }

    async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
        // Upstream leaves the privileged group out of the listing: RBAC grants it the same.
        ResolvedRules::default()
    }
}
