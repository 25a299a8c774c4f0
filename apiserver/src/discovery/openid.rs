//! OpenID discovery of the service-account issuer, so that others can verify the tokens it signs.

use apiserver_auth::authn::service_account::keys::{KeyError, PublicKey};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde_json::json;

use crate::chain::body::{Body, full};

/// Path of the configuration.
pub const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";
/// Path of the keys.
pub const KEYS_PATH: &str = "/openid/v1/jwks";
const CACHE: &str = "public, max-age=3600";

/// The two documents.
#[derive(Clone, Debug)]
pub struct OpenId {
    configuration: Bytes,
    keys: Bytes,
}

impl OpenId {
    /// Documents of `issuer`; `None` when the issuer is no https URL, for which there is no discovery.
    pub fn new(issuer: &str, jwks_uri: &str, keys: &[PublicKey]) -> Result<Option<OpenId>, KeyError> {
        if !issuer.starts_with("https://") {
            return Ok(None);
        }
        let mut algorithms: Vec<&str> = keys.iter().map(|key| key.algorithm.name()).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let configuration = json!({
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        });
        let keys = keys.iter().map(PublicKey::to_jwk).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(OpenId {
            configuration: configuration.to_string().into(),
            keys: json!({"keys": keys}).to_string().into(),
        }))
    }

    /// The document at `path`.
    pub fn answer(&self, path: &str) -> Option<Response<Body>> {
        let (content_type, bytes) = match path {
            CONFIGURATION_PATH => ("application/json", &self.configuration),
            KEYS_PATH => ("application/jwk-set+json", &self.keys),
            _ => return None,
        };
        let mut response = Response::new(full(bytes.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(CACHE));
        Some(response)
    }
}
