//! Decides which signatures the ConfigMap carries.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use runtime::{Action, Plan};

use super::gather::Inputs;
use crate::security::bootstrap_tokens::{Expiration, expiration, signing_token};

/// Namespace everyone may read.
pub(super) const PUBLIC_NAMESPACE: &str = "kube-public";
/// Name of the ConfigMap.
pub(super) const NAME: &str = "cluster-info";
const KUBECONFIG: &str = "kubeconfig";
const SIGNATURE_PREFIX: &str = "jws-kubeconfig-";

pub(super) fn plan(inputs: &Inputs, now: Timestamp) -> Plan {
    let config = inputs.config.as_ref();
    let Some(content) = config.data.get(KUBECONFIG) else { return Plan::nothing() };
    let mut data: BTreeMap<String, String> = config.data.clone();
    data.retain(|key, _| !key.starts_with(SIGNATURE_PREFIX));
    let tokens: BTreeMap<&str, &str> =
        inputs.secrets.iter().filter_map(|secret| signing_token(secret, now)).collect();
    for (id, secret) in tokens {
        data.insert(format!("{SIGNATURE_PREFIX}{id}"), detached_signature(content, id, secret));
    }
    let plan = if data == config.data {
        Plan::nothing()
    } else {
        let mut signed = config.clone();
        signed.data = data;
        Plan::of(vec![Action::replace(signed)])
    };
    // A token that ends takes its signature with it.
    let ends = inputs.secrets.iter().filter_map(|secret| match expiration(secret) {
        Expiration::At(end) if now < end => {
            (end.duration_since(now) + SignedDuration::from_secs(1)).try_into().ok()
        }
        _ => None,
    });
    match ends.min() {
        Some(wait) => plan.requeue_after(wait),
        None => plan,
    }
}

/// A JSON web signature without the content (RFC 7515, appendix F), byte for byte as upstream makes it.
pub(super) fn detached_signature(content: &str, id: &str, secret: &str) -> String {
    // Ids are letters and digits: nothing to escape.
    let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"HS256\",\"kid\":\"{id}\"}}"));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}
