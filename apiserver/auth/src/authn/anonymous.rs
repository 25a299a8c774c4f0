//! Requests without credentials become `system:anonymous`, on all paths or only on listed ones.

use async_trait::async_trait;

use super::{Authenticated, Authenticator, Credentials, Outcome};
use crate::UserInfo;

/// Gives every request that nobody claimed the anonymous identity.
#[derive(Clone, Debug, Default)]
pub struct Anonymous {
    /// Exact paths to which anonymous access is limited; empty means no limit.
    pub only_paths: Vec<String>,
}

#[async_trait]
impl Authenticator for Anonymous {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        if !self.only_paths.is_empty() && !self.only_paths.iter().any(|path| path == credentials.path) {
            return Ok(None);
        }
        Ok(Some(Authenticated::user(UserInfo::anonymous())))
    }
}
