//! Signatures come and go with tokens; the order of tokens does not matter.

use std::sync::Arc;
use std::time::Duration;

use api_types::core::v1::{ConfigMap, Secret};
use jiff::Timestamp;
use runtime::{Controller, Plan};

use super::gather::{BootstrapSigner, Inputs};
use super::plan::detached_signature;
use crate::security::bootstrap_tokens::tests::secret;

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ConfigMap { data, ..ConfigMap::default() }
}

fn plan(config: ConfigMap, secrets: Vec<Secret>) -> Plan {
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("time");
    let inputs = Inputs { config: Arc::new(config), secrets: secrets.into_iter().map(Arc::new).collect() };
    BootstrapSigner::plan(&inputs, now)
}

fn written(plan: &Plan) -> Option<ConfigMap> {
    plan.actions().next().and_then(|action| action.replaced::<ConfigMap>()).map(|(_, config)| config.clone())
}

#[test]
fn signatures_are_upstreams() {
    // HMAC of "<header>.<content>" with the token's secret, the content left out.
    let signature = detached_signature("foo", "abcdef", "0123456789abcdef");
    let (header, tail) = signature.split_once("..").expect("detached");
    assert_eq!(header, "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9");
    assert_eq!(tail.len(), 43);
    assert_ne!(signature, detached_signature("bar", "abcdef", "0123456789abcdef"));
}

#[test]
fn signatures_follow_tokens() {
    let bare = config(&[("kubeconfig", "x"), ("other", "kept")]);
    let tokens = vec![secret("abcdef", &[]), secret("fedcba", &[])];
    let signed = written(&plan(bare.clone(), tokens.clone())).expect("written");
    assert_eq!(signed.data.len(), 4);
    assert!(written(&plan(signed.clone(), tokens.clone())).is_none());
    let reversed = tokens.into_iter().rev().collect();
    assert!(written(&plan(signed.clone(), reversed)).is_none());
    assert_eq!(written(&plan(signed, vec![])), Some(bare));
    assert!(written(&plan(config(&[]), vec![secret("abcdef", &[])])).is_none());
}

#[test]
fn the_end_of_a_token_is_waited_for() {
    let tokens = vec![
        secret("abcdef", &[("expiration", "2030-01-01T01:00:00Z")]),
        secret("fedcba", &[("expiration", "2030-01-01T00:00:10Z")]),
    ];
    assert_eq!(plan(config(&[("kubeconfig", "x")]), tokens).requeue_after, Some(Duration::from_secs(11)));
}
