//! Cases over Secrets with and without their account; planning again after applying gives nothing.

use std::sync::Arc;

use api_types::core::v1::{Secret, ServiceAccount};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use component_base::tls::{KeyAlgorithm, PrivateKey};
use jiff::Timestamp;
use runtime::plan::Guard;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::gather::Tokens;
use super::plan::{ACCOUNT_NAME, ACCOUNT_UID};
use super::signer::Signer;

fn account(uid: &str) -> ServiceAccount {
    let mut account = ServiceAccount::default();
    (account.metadata.namespace, account.metadata.name, account.metadata.uid) =
        ("work".into(), "robot".into(), uid.into());
    account
}

fn secret(uid: Option<&str>) -> Secret {
    let mut secret = Secret { type_: super::plan::TYPE.into(), ..Secret::default() };
    (secret.metadata.namespace, secret.metadata.name, secret.metadata.uid) =
        ("work".into(), "token".into(), "s".into());
    secret.metadata.annotations.insert(ACCOUNT_NAME.into(), "robot".into());
    if let Some(uid) = uid {
        secret.metadata.annotations.insert(ACCOUNT_UID.into(), uid.into());
    }
    secret
}

fn plan_for(secret: Secret, accounts: Vec<ServiceAccount>) -> Option<Plan> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
    let controller = Tokens {
        accounts: Store::with_objects(accounts),
        secrets: Store::with_objects([secret]),
        signer: Arc::new(Signer::from_key(&key).expect("signer")),
        root_ca: "PEM".into(),
    };
    let inputs = controller.gather(&ObjectKey::new("work", "token"))?;
    Some(Tokens::plan(&inputs, Timestamp::UNIX_EPOCH))
}

#[test]
fn secrets_are_filled_once() {
    let plan = plan_for(secret(None), vec![account("u")]).expect("planned");
    let (_, filled) = plan.actions().next().and_then(|action| action.replaced::<Secret>()).expect("replaced");
    assert_eq!(filled.data["ca.crt"], b"PEM");
    assert_eq!(filled.data["namespace"], b"work");
    assert_eq!(filled.metadata.annotations[ACCOUNT_UID], "u");
    let token = String::from_utf8(filled.data["token"].clone()).expect("text");
    let part = |index: usize| -> serde_json::Value {
        let bytes =
            URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("three parts")).expect("base64");
        serde_json::from_slice(&bytes).expect("json")
    };
    assert_eq!((&part(0)["alg"], part(0)["kid"].as_str().map(str::len)), (&"ES256".into(), Some(43)));
    assert_eq!(part(1)["sub"], "system:serviceaccount:work:robot");
    assert_eq!(part(1)["kubernetes.io/serviceaccount/secret.name"], "token");
    assert!(plan_for(filled.clone(), vec![account("u")]).expect("planned").is_empty());
}

#[test]
fn secrets_go_with_their_account() {
    for (uid, accounts) in [(Some("u"), vec![]), (Some("old"), vec![account("new")]), (None, vec![])] {
        let plan = plan_for(secret(uid), accounts).expect("planned");
        assert_eq!(plan.deletes::<Secret>(), ["token"]);
        let guard = plan.actions().next().and_then(|action| action.guard.clone()).expect("guarded");
        assert!(
            matches!(guard, Guard::Gone(target) if target.name == "robot" && target.uid == uid.unwrap_or_default())
        );
    }
    let mut nameless = secret(None);
    nameless.metadata.annotations.clear();
    assert!(plan_for(nameless, vec![]).is_none());
}
