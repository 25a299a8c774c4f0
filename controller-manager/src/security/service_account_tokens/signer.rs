//! Signs tokens that live as long as their Secret (`pkg/serviceaccount`, legacy claims).

use std::path::Path;

use api_types::core::v1::ServiceAccount;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use component_base::tls::{PrivateKey, files};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// Issuer of tokens of this kind.
const ISSUER: &str = "kubernetes/serviceaccount";

/// Why the key cannot sign tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    /// The file.
    #[error(transparent)]
    File(#[from] component_base::tls::TlsError),
    /// The key, or the signing.
    #[error("service account key")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// Not RSA, P-256 or P-384.
    #[error("service account key must be RSA, ECDSA P-256 or ECDSA P-384")]
    Algorithm,
}

/// A key that signs tokens.
pub(crate) struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// Reads a private key.
    pub(crate) fn from_file(path: &Path) -> Result<Signer, SignerError> {
        let key = PrivateKey::from_pem(&files::read(path)?).map_err(|error| files::in_file(path, error))?;
        Signer::from_key(&key)
    }

    pub(crate) fn from_key(key: &PrivateKey) -> Result<Signer, SignerError> {
        let (pem, public) = (key.to_pem(), key.public_der());
        let (algorithm, encoding) = match EncodingKey::from_rsa_pem(pem.as_bytes()) {
            Ok(encoding) => (Algorithm::RS256, encoding),
            Err(_) => {
                // The curve stands in the algorithm identifier of the public half.
                let has = |oid: &[u8]| public.windows(oid.len()).any(|window| window == oid);
                let algorithm = if has(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]) {
                    Algorithm::ES256
                } else if has(&[0x2b, 0x81, 0x04, 0x00, 0x22]) {
                    Algorithm::ES384
                } else {
                    return Err(SignerError::Algorithm);
                };
                (algorithm, EncodingKey::from_ec_pem(pem.as_bytes())?)
            }
        };
        let mut header = Header::new(algorithm);
        header.typ = None;
        header.kid = Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &public)));
        Ok(Signer { header, key: encoding })
    }

    /// A token without end for an account, bound to a Secret.
    pub(crate) fn legacy_token(&self, account: &ServiceAccount, secret: &str) -> Result<String, SignerError> {
        let (namespace, name) = (&account.metadata.namespace, &account.metadata.name);
        let claims = json!({
            "iss": ISSUER,
            "kubernetes.io/serviceaccount/namespace": namespace,
            "kubernetes.io/serviceaccount/secret.name": secret,
            "kubernetes.io/serviceaccount/service-account.name": name,
            "kubernetes.io/serviceaccount/service-account.uid": account.metadata.uid,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }
}
