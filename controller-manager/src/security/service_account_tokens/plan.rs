//! Decides whether a token Secret is filled, or deleted with its account.

use api_types::core::v1::{Secret, ServiceAccount};
use runtime::plan::{Kind, Target};
use runtime::{Action, Plan};

use super::gather::Inputs;

/// Type of the Secrets looked after.
pub(super) const TYPE: &str = "kubernetes.io/service-account-token";
/// Annotation: name of the account.
pub(super) const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// Annotation: UID of the account.
pub(super) const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

const ROOT_CA: &str = "ca.crt";
const NAMESPACE: &str = "namespace";
const TOKEN: &str = "token";

pub(super) fn plan(inputs: &Inputs) -> Plan {
    let secret = inputs.secret.as_ref();
    if secret.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    match &inputs.account {
        None => Plan::of(vec![delete(secret)]),
        Some(account) => match filled(secret, account, inputs) {
            Some(filled) => Plan::of(vec![Action::replace(filled)]),
            None => Plan::nothing(),
        },
    }
}

/// The account may only not have reached the cache yet: the server is asked first.
fn delete(secret: &Secret) -> Action {
    let annotation = |name: &str| secret.metadata.annotations.get(name).cloned().unwrap_or_default();
    let account = Target {
        kind: Kind::of::<ServiceAccount>(),
        namespace: secret.metadata.namespace.clone(),
        name: annotation(ACCOUNT_NAME),
        uid: annotation(ACCOUNT_UID),
    };
    Action::delete(secret).only_if_gone(account)
}

/// The Secret with what it lacks, `None` when it lacks nothing.
fn filled(secret: &Secret, account: &ServiceAccount, inputs: &Inputs) -> Option<Secret> {
    let value = |key: &str| secret.data.get(key).map(Vec::as_slice).unwrap_or_default();
    let needs_ca = !inputs.root_ca.is_empty() && value(ROOT_CA) != inputs.root_ca.as_bytes();
    let needs_namespace = value(NAMESPACE).is_empty();
    let needs_token = value(TOKEN).is_empty();
    if !(needs_ca || needs_namespace || needs_token) {
        return None;
    }
    let mut filled = secret.clone();
    if needs_ca {
        filled.data.insert(ROOT_CA.to_owned(), inputs.root_ca.as_bytes().to_vec());
    }
    if needs_namespace {
        filled.data.insert(NAMESPACE.to_owned(), secret.metadata.namespace.clone().into_bytes());
    }
    if needs_token {
        match inputs.signer.legacy_token(account, &secret.metadata.name) {
            Ok(token) => drop(filled.data.insert(TOKEN.to_owned(), token.into_bytes())),
            Err(error) => {
                tracing::error!(%error, secret = secret.metadata.name, "token cannot be signed");
                return None;
            }
        }
    }
    filled.metadata.annotations.insert(ACCOUNT_NAME.to_owned(), account.metadata.name.clone());
    filled.metadata.annotations.insert(ACCOUNT_UID.to_owned(), account.metadata.uid.clone());
    Some(filled)
}
