//! Remembers for some seconds what token authenticators answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{Authenticated, Outcome, TokenAuthenticator};

/// How long upstream trusts a recognised token; a deleted pod's token may live this much longer.
pub const SUCCESS_TTL: Duration = Duration::from_secs(10);
/// The memory is swept when it holds this many answers.
const SWEEP_AT: usize = 8192;

type Key = [u8; 32];

/// A cache in front of a token authenticator.
///
/// Only recognised tokens are remembered: "not mine" is cheap to repeat, and a token that was
/// refused may become valid, as a bootstrap token does when its secret is written.
pub struct CachedTokens {
    inner: Arc<dyn TokenAuthenticator>,
    ttl: Duration,
    /// Tokens are kept as keyed hashes, so that a memory dump has none.
    key: hmac::Key,
    answers: Mutex<HashMap<Key, (jiff::Timestamp, Authenticated)>>,
}

impl CachedTokens {
    /// Puts a cache in front of `inner`; `secret` keys the hashes and lives as long as the process.
    pub fn new(inner: Arc<dyn TokenAuthenticator>, ttl: Duration, secret: &[u8; 32]) -> Self {
        CachedTokens {
            inner,
            ttl,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            answers: Mutex::new(HashMap::new()),
        }
    }

    fn key_of(&self, token: &str, audiences: &[String]) -> Key {
        let mut context = hmac::Context::with_key(&self.key);
        for part in std::iter::once(token).chain(audiences.iter().map(String::as_str)) {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = Key::default();
        key.copy_from_slice(context.sign().as_ref());
        key
    }
}

#[async_trait]
impl TokenAuthenticator for CachedTokens {
    async fn authenticate_token(&self, token: &str, audiences: &[String], now: jiff::Timestamp) -> Outcome {
        let key = self.key_of(token, audiences);
        if let Some((until, answer)) = self.answers.lock().get(&key)
            && now < *until
        {
            return Ok(Some(answer.clone()));
        }
        let answer = self.inner.authenticate_token(token, audiences, now).await?;
        if let Some(answer) = &answer {
            let mut answers = self.answers.lock();
            if answers.len() >= SWEEP_AT {
                answers.retain(|_, (until, _)| now < *until);
            }
            let until = now.checked_add(self.ttl).unwrap_or(now);
            answers.insert(key, (until, answer.clone()));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::UserInfo;

    struct Counting(AtomicUsize);

    #[async_trait]
    impl TokenAuthenticator for Counting {
        async fn authenticate_token(&self, token: &str, _: &[String], _: jiff::Timestamp) -> Outcome {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok((token == "good").then(|| Authenticated::user(UserInfo::new("u", ["g"]))))
        }
    }

    #[tokio::test]
    async fn answers_last_until_their_time() {
        let inner = Arc::new(Counting(AtomicUsize::new(0)));
        let cache = CachedTokens::new(inner.clone(), SUCCESS_TTL, &[7; 32]);
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let asked = async |token: &str, audiences: &[String], second| {
            let _ = cache.authenticate_token(token, audiences, at(second)).await;
            inner.0.load(Ordering::Relaxed)
        };
        assert_eq!(asked("good", &[], 0).await, 1);
        assert_eq!(asked("good", &[], 9).await, 1, "remembered");
        assert_eq!(asked("good", &["other".into()], 9).await, 2, "other audience");
        assert_eq!(asked("good", &[], 10).await, 3, "over");
        assert_eq!(asked("bad", &[], 10).await, 4);
        assert_eq!(asked("bad", &[], 10).await, 5, "refusals are not remembered");
    }
}
