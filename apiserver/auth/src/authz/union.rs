//! Several authorizers, asked in turn.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Attributes, Authorizer, Decision, ResolvedRules, Verdict};
use crate::UserInfo;

/// The first authorizer with an opinion decides; the reasons of the others are kept.
#[derive(Clone, Default)]
pub struct Union(pub Vec<Arc<dyn Authorizer>>);

#[async_trait]
impl Authorizer for Union {
    async fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let mut reasons: Vec<String> = Vec::new();
        for authorizer in &self.0 {
            let decision = authorizer.authorize(attributes).await;
            if decision.verdict != Verdict::NoOpinion {
                return decision;
            }
            if !decision.reason.is_empty() {
                reasons.push(decision.reason);
            }
        }
        Decision::no_opinion(reasons.join("\n"))
    }

    async fn rules_for(&self, user: &UserInfo, namespace: &str) -> ResolvedRules {
        let mut all = ResolvedRules::default();
        for authorizer in &self.0 {
            let one = authorizer.rules_for(user, namespace).await;
            all.rules.extend(one.rules);
            all.incomplete |= one.incomplete;
            all.errors.extend(one.errors);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Decision);

    #[async_trait]
    impl Authorizer for Fixed {
        async fn authorize(&self, _: &Attributes<'_>) -> Decision {
            self.0.clone()
        }
        async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
            ResolvedRules::default()
        }
    }

    async fn check(decisions: Vec<Decision>, expected: Decision) {
        let union = Union(decisions.into_iter().map(|d| Arc::new(Fixed(d)) as _).collect());
        let user = UserInfo::anonymous();
        assert_eq!(union.authorize(&Attributes::path(&user, "get", "/")).await, expected);
    }

    #[tokio::test]
    async fn first_opinion_decides() {
        let (none, allow, deny) = (Decision::no_opinion("n"), Decision::allow("a"), Decision::deny("d"));
        check(vec![none.clone(), allow.clone(), deny.clone()], allow.clone()).await;
        check(vec![deny.clone(), allow], deny).await;
        check(vec![none.clone(), none], Decision::no_opinion("n\nn")).await;
        check(vec![], Decision::no_opinion("")).await;
    }
}
