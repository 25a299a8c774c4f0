//! The order in which authenticators are asked, and the group that success adds.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Authenticator, AuthnError, Credentials, Outcome, TokenAuthenticator};
use crate::user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED};

/// Asks authenticators in turn; the first that knows the sender wins.
///
/// A refusal does not stop the others from recognising the sender, but when none does, the request
/// is refused rather than passed to `anonymous`: a bad credential never turns into no credential.
#[derive(Default)]
pub struct Union {
    /// Authenticators by credential, in order.
    pub authenticators: Vec<Arc<dyn Authenticator>>,
    /// Asked last, and only when no authenticator refused.
    pub anonymous: Option<Arc<dyn Authenticator>>,
}

#[async_trait]
impl Authenticator for Union {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        let mut refusals = Vec::new();
        for authenticator in &self.authenticators {
            match authenticator.authenticate(credentials).await {
                Ok(Some(mut authenticated)) => {
                    let groups = &mut authenticated.user.groups;
                    if !groups.iter().any(|g| g == ALL_AUTHENTICATED || g == ALL_UNAUTHENTICATED) {
                        groups.push(ALL_AUTHENTICATED.to_string());
                    }
                    return Ok(Some(authenticated));
                }
                Ok(None) => {}
                Err(refusal) => refusals.push(refusal),
            }
        }
        refused(refusals)?;
        match &self.anonymous {
            Some(anonymous) => anonymous.authenticate(credentials).await,
            None => Ok(None),
        }
    }
}

/// Asks token authenticators in turn; the first that knows the bearer wins.
#[derive(Default)]
pub struct TokenUnion {
    /// In order.
    pub authenticators: Vec<Arc<dyn TokenAuthenticator>>,
}

#[async_trait]
impl TokenAuthenticator for TokenUnion {
    async fn authenticate_token(&self, token: &str, audiences: &[String], now: jiff::Timestamp) -> Outcome {
        let mut refusals = Vec::new();
        for authenticator in &self.authenticators {
            match authenticator.authenticate_token(token, audiences, now).await {
                Ok(Some(authenticated)) => return Ok(Some(authenticated)),
                Ok(None) => {}
                Err(refusal) => refusals.push(refusal),
            }
        }
        refused(refusals)?;
        Ok(None)
    }
}

fn refused(mut refusals: Vec<AuthnError>) -> Result<(), AuthnError> {
    match refusals.len() {
        0 => Ok(()),
        1 => Err(refusals.remove(0)),
        _ => Err(AuthnError::Several(refusals)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserInfo;
    use crate::authn::{Authenticated, anonymous::Anonymous};

    struct Fixed(Outcome);

    #[async_trait]
    impl Authenticator for Fixed {
        async fn authenticate(&self, _: &Credentials<'_>) -> Outcome {
            self.0.clone()
        }
    }

    async fn ask(outcomes: Vec<Outcome>, anonymous: bool) -> Result<Option<UserInfo>, String> {
        let union = Union {
            authenticators: outcomes.into_iter().map(|o| Arc::new(Fixed(o)) as _).collect(),
            anonymous: anonymous.then(|| Arc::new(Anonymous::default()) as _),
        };
        let headers = http::HeaderMap::new();
        let credentials = Credentials {
            peer_certificates: &[],
            headers: &headers,
            path: "/",
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        union.authenticate(&credentials).await.map(|o| o.map(|a| a.user)).map_err(|e| e.to_string())
    }

    fn known(name: &str) -> Outcome {
        Ok(Some(Authenticated::user(UserInfo::new(name, ["g"]))))
    }

    fn bad(text: &str) -> Outcome {
        Err(AuthnError::Token(text.to_string()))
    }

    #[tokio::test]
    async fn first_to_know_the_sender_wins() {
        let expected = UserInfo::new("a", ["g", "system:authenticated"]);
        assert_eq!(ask(vec![Ok(None), known("a"), known("b")], true).await, Ok(Some(expected.clone())));
        assert_eq!(ask(vec![bad("x"), known("a")], true).await, Ok(Some(expected)));
    }

    #[tokio::test]
    async fn a_bad_credential_is_not_anonymous() {
        assert_eq!(ask(vec![bad("x"), Ok(None)], true).await, Err("x".to_string()));
        assert_eq!(ask(vec![bad("x"), bad("y")], true).await, Err("[x, y]".to_string()));
        assert_eq!(ask(vec![Ok(None)], true).await, Ok(Some(UserInfo::anonymous())));
        assert_eq!(ask(vec![Ok(None)], false).await, Ok(None));
    }
}
