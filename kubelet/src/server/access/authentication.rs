//! Users by client certificate, by token, or by nothing at all.

use std::time::{Duration, Instant};

use api_types::authentication::v1::{TokenReview, TokenReviewSpec};
use async_trait::async_trait;
use client::Client;
use component_base::tls::Reloaded;
use component_base::tls::server::ClientAuthorities;
use jiff::Timestamp;

use super::remembered::Remembered;
use super::{Authenticator, Presented, User};

/// The group of everybody who is known.
const AUTHENTICATED: &str = "system:authenticated";

/// Tokens the API server refused are not asked about again for so long.
const REFUSED_TIME: Duration = Duration::from_secs(10);

/// Users by certificates of the cluster's authority: common name and organizations.
#[derive(Debug)]
pub struct ClientCertificate {
    authorities: Reloaded<ClientAuthorities>,
}

impl ClientCertificate {
    /// Trusts `authorities` (`authentication.x509.clientCAFile`).
    pub fn new(authorities: Reloaded<ClientAuthorities>) -> ClientCertificate {
        ClientCertificate { authorities }
    }
}

#[async_trait]
impl Authenticator for ClientCertificate {
    async fn authenticate(&self, presented: &Presented<'_>) -> Result<Option<User>, String> {
        if presented.certificates.is_empty() {
            return Ok(None);
        }
        let authorities = self.authorities.current();
        let facts = authorities
            .verify(presented.certificates, Timestamp::now())
            .map_err(|error| error.to_string())?;
        if facts.common_name.is_empty() {
            return Ok(None);
        }
        let mut groups = facts.organizations;
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Ok(Some(User { name: facts.common_name, groups, ..Default::default() }))
    }
}

/// Users by tokens the API server reviews.
#[derive(Debug)]
pub struct TokenWebhook {
    client: Client,
    time: Duration,
    known: Remembered<String, Option<User>>,
}

impl TokenWebhook {
    /// Asks through `client`; an answer holds for `time` (`authentication.webhook.cacheTTL`).
    pub fn new(client: Client, time: Duration) -> TokenWebhook {
        TokenWebhook { client, time, known: Remembered::new() }
    }

    async fn review(&self, token: &str) -> Result<Option<User>, String> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..Default::default() };
        let review = TokenReview { spec, ..Default::default() };
        let answer =
            self.client.all::<TokenReview>().create(&review).await.map_err(|error| error.to_string())?;
        let status = answer.status;
        if !status.authenticated {
            if !status.error.is_empty() {
                tracing::debug!(error = status.error, "token was refused");
            }
            return Ok(None);
        }
        Ok(Some(User {
            name: status.user.username,
            uid: status.user.uid,
            groups: status.user.groups,
            extra: status.user.extra.into_iter().collect(),
        }))
    }
}

#[async_trait]
impl Authenticator for TokenWebhook {
    async fn authenticate(&self, presented: &Presented<'_>) -> Result<Option<User>, String> {
        let Some(token) = presented.token else { return Ok(None) };
        if let Some(known) = self.known.get(&token.to_owned(), Instant::now()) {
            return Ok(known);
        }
        let user = self.review(token).await?;
        let time = if user.is_some() { self.time } else { self.time.min(REFUSED_TIME) };
        self.known.put(token.to_owned(), user.clone(), time, Instant::now());
        Ok(user)
    }
}

/// Lets everybody in as `system:anonymous`; comes last, and only when the configuration wants it.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

#[async_trait]
impl Authenticator for Anonymous {
    async fn authenticate(&self, _presented: &Presented<'_>) -> Result<Option<User>, String> {
        Ok(Some(User {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            ..Default::default()
        }))
    }
}
