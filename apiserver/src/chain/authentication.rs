//! Station: who is asking.

use std::sync::Arc;

use apiserver_auth::UserInfo;
use apiserver_auth::authn::request_header::RequestHeader;
use apiserver_auth::authn::{Authenticator, Credentials, bearer};
use http::HeaderMap;
use machinery::status::StatusError;
use rustls_pki_types::CertificateDer;

use super::context::Notes;

/// Headers by which a front proxy names a user; removed even when no proxy is configured.
const STANDARD_PROXY_HEADERS: [&str; 3] = ["x-remote-user", "x-remote-uid", "x-remote-group"];
const STANDARD_PROXY_EXTRA_PREFIX: &str = "x-remote-extra-";

/// Identifies senders of requests.
pub struct Authentication {
    /// All authenticators, in order.
    pub authenticator: Arc<dyn Authenticator>,
    /// The front proxy's configuration, whose headers must not travel on.
    pub front_proxy: Option<Arc<RequestHeader>>,
    /// Audiences the server goes by.
    pub audiences: Vec<String>,
}

impl Authentication {
    /// The sender of the request, whose credentials are removed from `headers`.
    pub async fn identify(
        &self,
        headers: &mut HeaderMap,
        peer_certificates: &[CertificateDer<'static>],
        path: &str,
        now: jiff::Timestamp,
        notes: &Notes,
    ) -> Result<UserInfo, StatusError> {
        let credentials = Credentials { peer_certificates, headers, path, now };
        let outcome = self.authenticator.authenticate(&credentials).await;
        let authenticated = match outcome {
            Ok(Some(authenticated)) => authenticated,
            Ok(None) => return Err(StatusError::unauthorized("Unauthorized")),
            Err(error) => {
                tracing::warn!(%error, "unable to authenticate the request");
                return Err(StatusError::unauthorized("Unauthorized"));
            }
        };
        let theirs = &authenticated.audiences;
        if !self.audiences.is_empty()
            && !theirs.is_empty()
            && !theirs.iter().any(|audience| self.audiences.contains(audience))
        {
            tracing::warn!(audiences = ?theirs, accepted = ?self.audiences, "unable to match the audience");
            return Err(StatusError::unauthorized("Unauthorized"));
        }
        for warning in authenticated.warnings {
            notes.warn(warning);
        }
        for (key, value) in authenticated.audit_annotations {
            notes.annotate(key, value);
        }
        bearer::strip_token(headers);
        self.strip_proxy_headers(headers);
        Ok(authenticated.user)
    }

    fn strip_proxy_headers(&self, headers: &mut HeaderMap) {
        for name in STANDARD_PROXY_HEADERS {
            headers.remove(name);
        }
        let extras: Vec<_> = headers
            .keys()
            .filter(|name| name.as_str().starts_with(STANDARD_PROXY_EXTRA_PREFIX))
            .cloned()
            .collect();
        for name in extras {
            headers.remove(name);
        }
        if let Some(front_proxy) = &self.front_proxy {
            front_proxy.clear(headers);
        }
    }
}
