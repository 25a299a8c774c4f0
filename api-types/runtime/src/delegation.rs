//! Asks the API server who a caller is and what it may do, for servers that have no users of their own
//! (delegated authentication and authorization).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use api_types::authentication::v1::TokenReview;
use api_types::authorization::v1::{NonResourceAttributes, SubjectAccessReview};
use api_types::core::v1::ConfigMap;
use client::Client;
use component_base::server::{Asked, Gate, Reply, reply};
use component_base::tls::Reloaded;
use component_base::tls::server::ClientAuthorities;
use hashbrown::HashMap;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap};
use machinery::Message as _;
use machinery::status::StatusError;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Answers remembered; beyond it everything is forgotten at once, which costs a few questions.
const REMEMBERED: usize = 1024;
/// Members may do everything, so that a broken API server does not lock administrators out.
const MASTERS: &str = "system:masters";

/// Who a caller is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Extra attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Whose word is taken for who a caller is.
#[derive(Debug, Default)]
pub struct Trust {
    /// Authorities of client certificates.
    pub clients: Option<Reloaded<ClientAuthorities>>,
    /// Authorities of front proxies.
    pub proxies: Option<Reloaded<ClientAuthorities>>,
    /// CommonNames of front proxies; empty for any.
    pub allowed_names: Vec<String>,
    /// Headers a front proxy puts the user name into.
    pub username_headers: Vec<String>,
    /// Headers a front proxy puts the groups into.
    pub group_headers: Vec<String>,
    /// Prefixes of headers a front proxy puts extra attributes into.
    pub extra_prefixes: Vec<String>,
}

impl Trust {
    /// Takes what is missing from `kube-system/extension-apiserver-authentication`; a failure leaves it
    /// missing, and callers then need tokens.
    pub async fn look_up(&mut self, client: &Client) {
        let name = "extension-apiserver-authentication";
        let published = match client.namespaced::<ConfigMap>("kube-system").get(name).await {
            Ok(published) => published,
            Err(error) => {
                let error = component_base::run::error_chain(&error);
                tracing::warn!(
                    error,
                    "unable to get configmap/extension-apiserver-authentication in kube-system; callers with client certificates may not be recognized"
                );
                return;
            }
        };
        let authorities = |field: &str| {
            let pem = published.data.get(field).filter(|pem| !pem.is_empty())?;
            match ClientAuthorities::from_pem(pem.as_bytes()) {
                Ok(authorities) => Some(Reloaded::fixed(authorities)),
                Err(error) => {
                    tracing::warn!(
                        field,
                        error = component_base::run::error_chain(&error),
                        "published authorities cannot be read"
                    );
                    None
                }
            }
        };
        self.clients = self.clients.take().or_else(|| authorities("client-ca-file"));
        if self.proxies.is_none() {
            self.proxies = authorities("requestheader-client-ca-file");
            let names = published.data.get("requestheader-allowed-names");
            self.allowed_names = names.and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
        }
    }

    /// Who the certificate and headers say the caller is.
    fn recognize(
        &self,
        certificates: &[rustls_pki_types::CertificateDer<'static>],
        headers: &HeaderMap,
    ) -> Option<User> {
        let now = jiff::Timestamp::now();
        if certificates.is_empty() {
            return None;
        }
        if let Some(proxies) = &self.proxies
            && let Ok(proxy) = proxies.current().verify(certificates, now)
            && (self.allowed_names.is_empty() || self.allowed_names.contains(&proxy.common_name))
            && let Some(user) = self.user_in_headers(headers)
        {
            return Some(user);
        }
        let facts = self.clients.as_ref()?.current().verify(certificates, now).ok()?;
        Some(User { name: facts.common_name, groups: facts.organizations, ..User::default() })
    }

    fn user_in_headers(&self, headers: &HeaderMap) -> Option<User> {
        let values = |name: &str| -> Vec<String> {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
        };
        let name =
            self.username_headers.iter().flat_map(|name| values(name)).find(|name| !name.is_empty())?;
        let groups = self.group_headers.iter().flat_map(|name| values(name)).collect();
        let mut extra = BTreeMap::<String, Vec<String>>::new();
        for header in headers.keys() {
            let prefix = self.extra_prefixes.iter().map(|prefix| prefix.to_ascii_lowercase());
            if let Some(key) =
                prefix.filter_map(|prefix| header.as_str().strip_prefix(&prefix).map(str::to_owned)).next()
            {
                extra.entry(key).or_default().extend(values(header.as_str()));
            }
        }
        Some(User { name, groups, extra, ..User::default() })
    }
}

/// How long answers are remembered.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Who a token belongs to.
    pub token: Duration,
    /// That something is allowed.
    pub allowed: Duration,
    /// That something is denied.
    pub denied: Duration,
}

/// User, verb and path.
type Question = (User, String, String);

/// Lets in who the API server lets in.
pub struct DelegatedGate {
    trust: Trust,
    authentication: Client,
    authorization: Client,
    lifetimes: Lifetimes,
    tokens: Mutex<HashMap<String, (Option<User>, Instant)>>,
    decisions: Mutex<HashMap<Question, (bool, Instant)>>,
}

impl std::fmt::Debug for DelegatedGate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DelegatedGate").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl DelegatedGate {
    /// `authentication` creates token reviews, `authorization` access reviews.
    pub fn new(
        trust: Trust,
        authentication: Client,
        authorization: Client,
        lifetimes: Lifetimes,
    ) -> DelegatedGate {
        DelegatedGate {
            trust,
            authentication,
            authorization,
            lifetimes,
            tokens: Mutex::default(),
            decisions: Mutex::default(),
        }
    }

    async fn authenticate(&self, asked: &Asked<'_>) -> Result<User, Reply> {
        let token = asked.head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token
            .and_then(|text| text.strip_prefix("Bearer "))
            .map(str::trim)
            .filter(|token| !token.is_empty());
        let mut user = match (self.trust.recognize(asked.certificates, &asked.head.headers), token) {
            (Some(user), _) => user,
            (None, Some(token)) => self.review_token(token).await?.ok_or_else(unauthorized)?,
            (None, None) if !asked.certificates.is_empty() => return Err(unauthorized()),
            (None, None) => {
                return Ok(User {
                    name: "system:anonymous".to_owned(),
                    groups: vec!["system:unauthenticated".to_owned()],
                    ..User::default()
                });
            }
        };
        let authenticated = "system:authenticated";
        if !user.groups.iter().any(|group| group == authenticated) {
            user.groups.push(authenticated.to_owned());
        }
        Ok(user)
    }

    async fn review_token(&self, token: &str) -> Result<Option<User>, Reply> {
        if let Some((user, until)) = self.tokens.lock().get(token)
            && Instant::now() < *until
        {
            return Ok(user.clone());
        }
        let mut review = TokenReview::default();
        review.spec.token = token.to_owned();
        let review = self.authentication.all::<TokenReview>().create(&review).await.map_err(|error| {
            let error = component_base::run::error_chain(&error);
            tracing::error!(error, "unable to make a token review");
            failure(&StatusError::internal_error("unable to authenticate the request"))
        })?;
        let status = review.status;
        let user = status.authenticated.then_some(User {
            name: status.user.username,
            uid: status.user.uid,
            groups: status.user.groups,
            extra: status.user.extra,
        });
        let mut tokens = self.tokens.lock();
        if tokens.len() >= REMEMBERED {
            tokens.clear();
        }
        tokens.insert(token.to_owned(), (user.clone(), Instant::now() + self.lifetimes.token));
        Ok(user)
    }

    async fn is_allowed(&self, user: &User, verb: &str, path: &str) -> Result<bool, Reply> {
        if user.groups.iter().any(|group| group == MASTERS) {
            return Ok(true);
        }
        let key = (user.clone(), verb.to_owned(), path.to_owned());
        if let Some((allowed, until)) = self.decisions.lock().get(&key)
            && Instant::now() < *until
        {
            return Ok(*allowed);
        }
        let mut review = SubjectAccessReview::default();
        review.spec.user.clone_from(&user.name);
        review.spec.uid.clone_from(&user.uid);
        review.spec.groups.clone_from(&user.groups);
        review.spec.extra.clone_from(&user.extra);
        review.spec.non_resource_attributes =
            Some(Box::new(NonResourceAttributes { path: path.to_owned(), verb: verb.to_owned() }));
        let review =
            self.authorization.all::<SubjectAccessReview>().create(&review).await.map_err(|error| {
                let error = component_base::run::error_chain(&error);
                tracing::error!(error, "unable to make an access review");
                failure(&StatusError::internal_error("unable to authorize the request"))
            })?;
        let allowed = review.status.allowed;
        let lifetime = if allowed { self.lifetimes.allowed } else { self.lifetimes.denied };
        let mut decisions = self.decisions.lock();
        if decisions.len() >= REMEMBERED {
            decisions.clear();
        }
        decisions.insert(key, (allowed, Instant::now() + lifetime));
        Ok(allowed)
    }
}

impl Gate for DelegatedGate {
    fn check<'a>(
        &'a self,
        asked: &'a Asked<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Reply>> + Send + 'a>> {
        Box::pin(async move {
            let user = self.authenticate(asked).await?;
            let verb = asked.head.method.as_str().to_ascii_lowercase();
            let path = asked.head.uri.path();
            if self.is_allowed(&user, &verb, path).await? {
                return Ok(());
            }
            let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
            Err(failure(&StatusError::new(403, "Forbidden", message)))
        })
    }
}

fn unauthorized() -> Reply {
    failure(&StatusError::unauthorized(""))
}

fn failure(status: &StatusError) -> Reply {
    let mut body = status.status.to_value();
    body["kind"] = "Status".into();
    body["apiVersion"] = "v1".into();
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(code, "application/json", body.to_string())
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;

    use super::*;

    async fn check(headers: &[(&'static str, &str)], allowed: bool, expected: Result<(), u16>) {
        let server = FakeServer::start().await.expect("server");
        let mut review = TokenReview::default();
        review.status.authenticated = true;
        review.status.user.username = "jane".to_owned();
        server.on(Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", Answer::object(&review));
        let mut access = SubjectAccessReview::default();
        access.status.allowed = allowed;
        server.on(
            Method::POST,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            Answer::object(&access),
        );
        let client = server.client().expect("client");
        let lifetime = Duration::from_secs(10);
        let lifetimes = Lifetimes { token: lifetime, allowed: lifetime, denied: lifetime };
        let gate = DelegatedGate::new(Trust::default(), client.clone(), client, lifetimes);
        let mut request = http::Request::get("/metrics");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("request").into_parts();
        let asked = Asked { head: &head, certificates: &[], peer: ([127, 0, 0, 1], 1).into() };
        for _ in 0..2 {
            let outcome = gate.check(&asked).await.map_err(|reply| reply.status().as_u16());
            assert_eq!(outcome, expected);
        }
        let asked_of_server = server.received().len();
        assert!(asked_of_server <= 2, "answers are remembered: {asked_of_server} requests");
    }

    #[tokio::test]
    async fn callers_are_let_in_by_the_api_server() {
        check(&[("authorization", "Bearer t")], true, Ok(())).await;
        check(&[("authorization", "Bearer t")], false, Err(403)).await;
        check(&[], false, Err(403)).await;
        // Headers of a proxy count for nothing without its certificate.
        check(&[("x-remote-user", "admin"), ("x-remote-group", MASTERS)], false, Err(403)).await;
    }
}
