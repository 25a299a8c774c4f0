//! Service account tokens for pods: requested from the API, kept, and requested anew before they expire.

use std::sync::Arc;
use std::time::Duration;

use api_types::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use api_types::core::v1::{Pod, ServiceAccount};
use client::Client;
use hashbrown::HashMap;
use jiff::Timestamp;
use kubelet_core::backoff::elapsed;
use kubelet_core::projection::TokenNeed;
use parking_lot::Mutex;

use super::{ObjectError, Token};

/// A token older than this is renewed however long it lives.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// The tokens in use.
pub(super) struct Tokens {
    client: Client,
    issued: Mutex<HashMap<Key, Issued>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    pod_uid: String,
    account: String,
    audience: String,
    expiration_seconds: i64,
}

#[derive(Clone)]
struct Issued {
    token: Arc<Token>,
    at: Timestamp,
    expires: Timestamp,
}

impl Tokens {
    pub(super) fn new(client: Client) -> Tokens {
        Tokens { client, issued: Mutex::default() }
    }

    /// A token for a pod; a new one when the one at hand is in the last fifth of its life. When that fails, the old one
    /// serves while it lives.
    pub(super) async fn get(&self, pod: &Pod, need: &TokenNeed) -> Result<Token, ObjectError> {
        let key = Key {
            pod_uid: pod.metadata.uid.clone(),
            account: account_of(pod).to_owned(),
            audience: need.audience.clone(),
            expiration_seconds: need.expiration_seconds,
        };
        let now = Timestamp::now();
        let known = self.issued.lock().get(&key).cloned();
        if let Some(known) = &known
            && !needs_renewal(known.at, known.expires, now)
        {
            return Ok(known.token.as_ref().clone());
        }
        match self.request(pod, need).await {
            Ok(issued) => {
                let token = issued.token.as_ref().clone();
                self.issued.lock().insert(key, issued);
                Ok(token)
            }
            Err(error) => match known.filter(|known| known.expires > now) {
                Some(known) => {
                    tracing::warn!(%error, pod = %pod.metadata.name, "token not renewed, the old one serves on");
                    Ok(known.token.as_ref().clone())
                }
                None => Err(error),
            },
        }
    }

    async fn request(&self, pod: &Pod, need: &TokenNeed) -> Result<Issued, ObjectError> {
        let meta = &pod.metadata;
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: Some(need.audience.clone())
                    .filter(|audience| !audience.is_empty())
                    .into_iter()
                    .collect(),
                expiration_seconds: Some(need.expiration_seconds),
                bound_object_ref: Some(Box::new(BoundObjectReference {
                    kind: "Pod".to_owned(),
                    api_version: "v1".to_owned(),
                    name: meta.name.clone(),
                    uid: meta.uid.clone(),
                })),
            },
            ..TokenRequest::default()
        };
        let accounts = self.client.namespaced::<ServiceAccount>(&meta.namespace);
        let answer: Result<TokenRequest, _> =
            accounts.create_subresource(account_of(pod), "token", &request).await;
        let answer = answer.map_err(|error| ObjectError::Failed {
            kind: "token of service account",
            namespace: meta.namespace.clone(),
            name: account_of(pod).to_owned(),
            message: component_base::run::error_chain(&error),
        })?;
        let at = Timestamp::now();
        let expires = answer.status.expiration_timestamp.to_timestamp().unwrap_or(at);
        Ok(Issued { token: Arc::new(Token { value: answer.status.token.into_bytes() }), at, expires })
    }

    /// Forgets the tokens of a pod.
    pub(super) fn forget(&self, uid: &str) {
        self.issued.lock().retain(|key, _| key.pod_uid != uid);
    }
}

fn account_of(pod: &Pod) -> &str {
    if pod.spec.service_account_name.is_empty() { "default" } else { &pod.spec.service_account_name }
}

/// Whether four fifths of the life are over, or a day.
fn needs_renewal(at: Timestamp, expires: Timestamp, now: Timestamp) -> bool {
    let life = elapsed(at, expires);
    let age = elapsed(at, now);
    age >= MAX_AGE || age >= life * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let check = |life: i64, age: i64, expected: bool| {
            assert_eq!(needs_renewal(at(0), at(life), at(age)), expected, "{life} {age}");
        };
        check(3600, 2879, false);
        check(3600, 2880, true);
        check(30 * 86_400, 86_399, false);
        check(30 * 86_400, 86_400, true);
        check(0, 0, true);
    }
}
