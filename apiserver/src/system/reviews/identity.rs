//! `TokenReview` and `SelfSubjectReview`: who is the bearer of a token, who am I?

use api_types::authentication::v1::{
    SelfSubjectReview, SelfSubjectReviewStatus, TokenReview, UserInfo as ApiUser,
};
use apiserver_auth::UserInfo;
use apiserver_auth::authn::TokenAuthenticator;
use apiserver_auth::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED};
use machinery::Time;
use machinery::meta::v1::ObjectMeta;
use machinery::object::Object;
use machinery::status::StatusError;

/// A user in the form of the API.
pub fn api_user(user: &UserInfo) -> ApiUser {
    ApiUser {
        username: user.username.clone(),
        uid: user.uid.clone(),
        groups: user.groups.clone(),
        extra: user.extra.iter().map(|(key, values)| (key.clone(), values.clone())).collect(),
    }
}

/// Answers a review of a token. `own_audiences` are asked for when the review names none.
pub async fn token_review(
    tokens: Option<&dyn TokenAuthenticator>,
    own_audiences: &[String],
    mut review: TokenReview,
    now: jiff::Timestamp,
) -> Result<Box<dyn Object>, StatusError> {
    if review.spec.token.is_empty() {
        return Err(StatusError::bad_request("token is required for TokenReview in authentication"));
    }
    let Some(tokens) = tokens else { return Ok(Box::new(review)) };
    let asked = if review.spec.audiences.is_empty() { own_audiences } else { &review.spec.audiences };
    match tokens.authenticate_token(&review.spec.token, asked, now).await {
        Ok(Some(authenticated)) => {
            // A token without audiences, from a file, is good for the server itself.
            let audiences = if authenticated.audiences.is_empty() {
                own_audiences.iter().filter(|audience| asked.contains(audience)).cloned().collect()
            } else {
                authenticated.audiences
            };
            if !asked.is_empty() && !audiences.iter().any(|audience| asked.contains(audience)) {
                review.status.error = "unable to match the audience of the token".into();
                return Ok(Box::new(review));
            }
            let mut user = authenticated.user;
            if !user.in_group(ALL_AUTHENTICATED) && !user.in_group(ALL_UNAUTHENTICATED) {
                user.groups.push(ALL_AUTHENTICATED.to_string());
            }
            review.status.authenticated = true;
            review.status.user = api_user(&user);
            review.status.audiences = audiences;
        }
        Ok(None) => review.status.error = "invalid bearer token".into(),
        Err(error) => review.status.error = error.to_string(),
    }
    Ok(Box::new(review))
}

/// Answers who the requester is.
pub fn self_review(user: &UserInfo, now: jiff::Timestamp) -> Box<dyn Object> {
    Box::new(SelfSubjectReview {
        metadata: ObjectMeta {
            creation_timestamp: Time { seconds: now.as_second(), nanos: 0 },
            ..ObjectMeta::default()
        },
        status: SelfSubjectReviewStatus { user_info: api_user(user) },
    })
}

#[cfg(test)]
mod tests {
    use apiserver_auth::authn::{Authenticated, AuthnError, Outcome};
    use async_trait::async_trait;

    use super::*;

    struct Fixed;

    #[async_trait]
    impl TokenAuthenticator for Fixed {
        async fn authenticate_token(&self, token: &str, audiences: &[String], _: jiff::Timestamp) -> Outcome {
            match token {
                "good" => Ok(Some(Authenticated {
                    audiences: audiences.to_vec(),
                    ..Authenticated::user(UserInfo::new("u", ["g"]))
                })),
                "plain" => Ok(Some(Authenticated::user(UserInfo::new("p", ["g"])))),
                "old" => Err(AuthnError::Token("service account token has expired".into())),
                _ => Ok(None),
            }
        }
    }

    async fn ask(token: &str, audiences: &[&str]) -> TokenReview {
        let mut review = TokenReview::default();
        review.spec.token = token.into();
        review.spec.audiences = audiences.iter().map(|a| a.to_string()).collect();
        let answer = token_review(Some(&Fixed), &["api".into()], review, jiff::Timestamp::UNIX_EPOCH).await;
        answer.unwrap().as_any().downcast_ref::<TokenReview>().unwrap().clone()
    }

    #[tokio::test]
    async fn tokens_are_reviewed() {
        let good = ask("good", &[]).await.status;
        assert!(good.authenticated);
        assert_eq!(good.user.groups, ["g", "system:authenticated"]);
        assert_eq!(good.audiences, ["api"]);
        assert_eq!(ask("old", &[]).await.status.error, "service account token has expired");
        assert_eq!(ask("what", &[]).await.status.error, "invalid bearer token");
        assert_eq!(ask("plain", &["api", "x"]).await.status.audiences, ["api"]);
        assert!(!ask("plain", &["x"]).await.status.authenticated);
    }

    #[tokio::test]
    async fn an_empty_token_is_a_bad_request() {
        let outcome = token_review(None, &[], TokenReview::default(), jiff::Timestamp::UNIX_EPOCH).await;
        assert_eq!(outcome.unwrap_err().code(), 400);
    }
}
