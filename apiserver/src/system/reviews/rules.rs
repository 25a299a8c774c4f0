//! `SelfSubjectRulesReview`: everything the requester may do in a namespace.

use api_types::authorization::v1::{
    NonResourceRule, ResourceRule, SelfSubjectRulesReview, SubjectRulesReviewStatus,
};
use apiserver_auth::UserInfo;
use apiserver_auth::authz::Authorizer;
use machinery::object::Object;
use machinery::status::StatusError;

/// Answers a review of the requester's rules.
pub async fn review(
    authorizer: &dyn Authorizer,
    review: SelfSubjectRulesReview,
    user: &UserInfo,
) -> Result<Box<dyn Object>, StatusError> {
    if review.spec.namespace.is_empty() {
        return Err(StatusError::bad_request("no namespace on request"));
    }
    let resolved = authorizer.rules_for(user, &review.spec.namespace).await;
    let resource_rules = resolved.rules.iter().filter(|rule| !rule.resources.is_empty());
    let path_rules = resolved.rules.iter().filter(|rule| !rule.non_resource_urls.is_empty());
    let status = SubjectRulesReviewStatus {
        resource_rules: resource_rules
            .map(|rule| ResourceRule {
                verbs: rule.verbs.clone(),
                api_groups: rule.api_groups.clone(),
                resources: rule.resources.clone(),
                resource_names: rule.resource_names.clone(),
            })
            .collect(),
        non_resource_rules: path_rules
            .map(|rule| NonResourceRule {
                verbs: rule.verbs.clone(),
                non_resource_urls: rule.non_resource_urls.clone(),
            })
            .collect(),
        incomplete: resolved.incomplete,
        evaluation_error: joined(resolved.errors),
    };
    Ok(Box::new(SelfSubjectRulesReview { status, ..SelfSubjectRulesReview::default() }))
}

fn joined(errors: Vec<String>) -> String {
    if errors.is_empty() { String::new() } else { apiserver_auth::authz::rbac::join_errors(errors) }
}

#[cfg(test)]
mod tests {
    use apiserver_auth::authz::always::AlwaysAllow;
    use machinery::Message;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn rules_are_listed() {
        let user = UserInfo::new("u", ["g"]);
        let asked = SelfSubjectRulesReview::from_value(&json!({"spec": {"namespace": "n"}})).unwrap();
        let answer = review(&AlwaysAllow, asked, &user).await.unwrap();
        let answer = answer.as_any().downcast_ref::<SelfSubjectRulesReview>().unwrap();
        assert_eq!(answer.status.resource_rules.len(), 1);
        assert_eq!(answer.status.non_resource_rules[0].non_resource_urls, ["*"]);
        let error = review(&AlwaysAllow, SelfSubjectRulesReview::default(), &user).await.unwrap_err();
        assert_eq!(error.status.message, "no namespace on request");
    }
}
