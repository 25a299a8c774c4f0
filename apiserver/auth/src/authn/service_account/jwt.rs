//! The compact form of signed tokens: three base64url parts joined by dots.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::{KeyError, PublicKey, SigningKey};

/// A token taken apart, its signature not yet checked.
#[derive(Debug)]
pub struct Unverified<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    algorithm: String,
    /// The key the header names; empty when it names none.
    pub key_id: String,
    claims: Map<String, Value>,
}

impl<'t> Unverified<'t> {
    /// Takes a compact token apart; `None` when it is not one.
    pub fn parse(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header: Map<String, Value> = part(header)?;
        let text = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
        // No critical extension is known here, and an unknown one forbids acceptance.
        if header.contains_key("crit") {
            return None;
        }
        Some(Unverified {
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            algorithm: text("alg"),
            key_id: text("kid"),
            claims: part(payload)?,
        })
    }

    /// The issuer the token claims. Not to be believed before the signature is checked.
    pub fn claimed_issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// The claims, when `key` made the signature.
    pub fn verified_by(&self, key: &PublicKey) -> Option<&Map<String, Value>> {
        // A key serves one algorithm; the header's word is checked, never followed.
        (self.algorithm == key.algorithm.name() && key.verify(self.signed.as_bytes(), &self.signature))
            .then_some(&self.claims)
    }
}

fn part(encoded: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// Signs claims.
pub fn sign(key: &SigningKey, claims: &Value) -> Result<String, KeyError> {
    let header = serde_json::json!({"alg": key.public.algorithm.name(), "kid": key.public.key_id});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", encode(&header), encode(claims));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
