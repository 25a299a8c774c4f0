//! A client for each controller, under its own service account where that is wanted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use api_types::authentication::v1::TokenRequest;
use api_types::core::v1::ServiceAccount;
use client::{Client, Error, TokenProvider};
use jiff::{SignedDuration, Timestamp};
use runtime::client_metrics::ClientMetrics;

/// Namespace of the controllers' service accounts.
const NAMESPACE: &str = "kube-system";
/// Wanted lifetime of tokens, as upstream.
const LIFETIME_SECONDS: i64 = 3600;

/// Makes clients.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    root: Client,
    /// Without a certificate, so that the token says who calls; none when everyone is root.
    anonymous: Option<Client>,
}

impl Clients {
    pub(crate) fn new(
        root: Client,
        use_service_accounts: bool,
        observer: Arc<ClientMetrics>,
    ) -> Result<Clients, Error> {
        let anonymous = if use_service_accounts {
            let mut config = root.config().clone();
            config.identity = None;
            config.credentials = client::config::Credentials::None;
            let anonymous = Client::new(config)?;
            anonymous.observe(observer);
            Some(anonymous)
        } else {
            None
        };
        Ok(Clients { root, anonymous })
    }

    /// The client with the program's own rights.
    pub(crate) fn root(&self) -> &Client {
        &self.root
    }

    /// The client of a controller.
    pub(crate) fn of(&self, service_account: &str) -> Result<Client, Error> {
        match &self.anonymous {
            Some(anonymous) if !service_account.is_empty() => {
                let provider = Arc::new(ServiceAccountTokens::new(self.root.clone(), service_account));
                let agent = format!("{}/{service_account}", self.root.config().user_agent);
                anonymous.with_token_provider(provider, &agent)
            }
            _ => Ok(self.root.clone()),
        }
    }
}

struct Token {
    text: String,
    /// From here on a new one is asked for.
    renew_at: Timestamp,
}

/// Tokens of one service account, which is created when it is missing.
struct ServiceAccountTokens {
    root: Client,
    name: String,
    current: tokio::sync::Mutex<Option<Token>>,
}

impl ServiceAccountTokens {
    fn new(root: Client, name: &str) -> ServiceAccountTokens {
        ServiceAccountTokens { root, name: name.to_owned(), current: tokio::sync::Mutex::new(None) }
    }

    async fn request(&self) -> Result<Token, Error> {
        let api = self.root.namespaced::<ServiceAccount>(NAMESPACE);
        let mut request = TokenRequest::default();
        request.spec.expiration_seconds = Some(LIFETIME_SECONDS);
        let asked_at = Timestamp::now();
        let answer: TokenRequest = match api.create_subresource(&self.name, "token", &request).await {
            Err(error) if error.is_not_found() => {
                let mut account = ServiceAccount::default();
                account.metadata.name.clone_from(&self.name);
                account.metadata.namespace = NAMESPACE.to_owned();
                match api.create(&account).await {
                    Err(error) if !error.is_already_exists() => return Err(error),
                    _ => api.create_subresource(&self.name, "token", &request).await?,
                }
            }
            outcome => outcome?,
        };
        let expires = answer.status.expiration_timestamp.to_timestamp().unwrap_or(asked_at);
        // A fifth of the lifetime is left for clocks that differ and servers that are down.
        let lifetime = expires.duration_since(asked_at);
        let renew_at = asked_at + SignedDuration::from_secs(lifetime.as_secs() * 4 / 5);
        Ok(Token { text: answer.status.token, renew_at })
    }
}

impl TokenProvider for ServiceAccountTokens {
    fn token(&self, rejected: bool) -> Pin<Box<dyn Future<Output = Result<String, Error>> + Send + '_>> {
        Box::pin(async move {
            // Held while asking, so that many requests of one controller ask once.
            let mut current = self.current.lock().await;
            if let Some(token) = &*current
                && !rejected
                && Timestamp::now() < token.renew_at
            {
                return Ok(token.text.clone());
            }
            let token = self.request().await?;
            let text = token.text.clone();
            *current = Some(token);
            Ok(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use api_types::core::v1::Namespace;
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use machinery::status::StatusError;
    use machinery::{GroupResource, Time};

    use super::*;

    #[tokio::test]
    async fn accounts_are_made_and_tokens_kept() {
        let server = FakeServer::start().await.expect("server");
        let path = "/api/v1/namespaces/kube-system/serviceaccounts/x-controller/token";
        let mut answer = TokenRequest::default();
        answer.status.token = "abc".into();
        answer.status.expiration_timestamp = Time::from(Timestamp::now() + SignedDuration::from_hours(1));
        let missing = StatusError::not_found(&GroupResource::new("", "serviceaccounts"), "x-controller");
        server.on(Method::POST, path, Answer::status(&missing)).on(
            Method::POST,
            path,
            Answer::object(&answer),
        );
        let accounts = "/api/v1/namespaces/kube-system/serviceaccounts";
        server.on(Method::POST, accounts, Answer::object(&ServiceAccount::default()));
        server.on(Method::GET, "/api/v1/namespaces/a", Answer::object(&Namespace::default()));
        let observer = ClientMetrics::register(&component_base::metrics::Metrics::for_component());
        let clients = Clients::new(server.client().expect("client"), true, observer).expect("clients");
        let client = clients.of("x-controller").expect("client");
        for _ in 0..2 {
            client.all::<Namespace>().get("a").await.expect("namespace");
        }
        let received = server.received();
        assert_eq!(received.iter().filter(|request| request.target == path).count(), 2);
        let last = received.last().expect("request");
        assert_eq!(
            last.headers.get("authorization").and_then(|value| value.to_str().ok()),
            Some("Bearer abc")
        );
    }
}
