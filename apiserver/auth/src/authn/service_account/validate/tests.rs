//! Tokens made by the issuer, judged by both validators against a handful of objects.

use api_types::core::v1::{ObjectReference, Secret, ServiceAccount};
use parking_lot::Mutex;

use super::super::claims::LegacyClaims;
use super::super::issue::{Binding, Issuer, Request};
use super::super::keys::SigningKey;
use super::super::legacy::{self, LegacyTokens};
use super::*;

const NOW: &str = "2030-01-01T12:00:00Z";

#[derive(Default)]
struct Objects {
    service_accounts: Vec<ServiceAccount>,
    secrets: Vec<Secret>,
    pods: Vec<BoundObject>,
    nodes: Vec<BoundObject>,
    last_uses: Mutex<Vec<String>>,
}

#[async_trait]
impl ObjectGetter for Objects {
    async fn service_account(&self, _: &str, name: &str) -> Result<Option<ServiceAccount>, AuthnError> {
        Ok(self.service_accounts.iter().find(|a| a.metadata.name == name).cloned())
    }
    async fn secret(&self, _: &str, name: &str) -> Result<Option<Secret>, AuthnError> {
        Ok(self.secrets.iter().find(|s| s.metadata.name == name).cloned())
    }
    async fn pod(&self, _: &str, name: &str) -> Result<Option<BoundObject>, AuthnError> {
        Ok(self.pods.iter().find(|p| p.name == name).cloned())
    }
    async fn node(&self, name: &str) -> Result<Option<BoundObject>, AuthnError> {
        Ok(self.nodes.iter().find(|n| n.name == name).cloned())
    }
    async fn record_last_use(&self, namespace: &str, secret: &str, uid: &str, day: &str) {
        self.last_uses.lock().push(format!("{namespace}/{secret} {uid} {day}"));
    }
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn reference(name: &str, uid: &str) -> Reference {
    Reference { name: name.into(), uid: uid.into() }
}

fn object(name: &str, uid: &str, deleted: Option<&str>) -> BoundObject {
    BoundObject { name: name.into(), uid: uid.into(), deletion_timestamp: deleted.map(time) }
}

fn service_account(uid: &str) -> ServiceAccount {
    let mut account = ServiceAccount::default();
    account.metadata.name = "builder".into();
    account.metadata.namespace = "work".into();
    account.metadata.uid = uid.into();
    account
}

fn signing_key() -> SigningKey {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap()
}

fn request(binding: Binding) -> Request {
    Request {
        namespace: "work".into(),
        service_account: reference("builder", "sa-uid"),
        binding,
        audiences: vec!["api".into()],
        expiration_seconds: 3600,
        warn_after_seconds: None,
        token_id: "id-1".into(),
    }
}

fn world() -> Objects {
    Objects {
        service_accounts: vec![service_account("sa-uid")],
        pods: vec![object("pod", "pod-uid", None), object("dying", "d", Some("2030-01-01T11:59:30Z"))],
        nodes: vec![object("node", "node-uid", None), object("gone", "g", Some("2030-01-01T11:58:00Z"))],
        ..Objects::default()
    }
}

async fn judge(
    objects: Objects,
    request: Request,
    audiences: &[&str],
    now: &str,
) -> Result<Authenticated, String> {
    let key = signing_key();
    let keys = Arc::new(vec![key.public.clone()]);
    let issuer = Issuer::new("https://issuer", key);
    let token = issuer.issue(&request, time(NOW)).unwrap();
    let tokens = BoundTokens::new(vec!["https://issuer".into()], keys, vec!["api".into()], Arc::new(objects));
    let audiences: Vec<String> = audiences.iter().map(|a| a.to_string()).collect();
    let outcome = tokens.authenticate_token(&token, &audiences, time(now)).await;
    outcome.map(|o| o.expect("ours to judge")).map_err(|e| e.to_string())
}

async fn check_refused(request: Request, now: &str, expected: &str) {
    assert_eq!(judge(world(), request, &[], now).await.unwrap_err(), expected);
}

#[tokio::test]
async fn a_bound_token_names_account_pod_and_node() {
    let binding = Binding::Pod(reference("pod", "pod-uid"), Some(reference("anything", "x")));
    let got = judge(world(), request(binding), &[], NOW).await.unwrap();
    assert_eq!(got.user.username, "system:serviceaccount:work:builder");
    assert_eq!(got.user.uid, "sa-uid");
    assert_eq!(got.user.groups, ["system:serviceaccounts", "system:serviceaccounts:work"]);
    let extra: Vec<_> = got.user.extra.iter().map(|(k, v)| (k.as_str(), v[0].as_str())).collect();
    let expected = [
        (CREDENTIAL_ID_KEY, "JTI=id-1"),
        (NODE_NAME_KEY, "anything"),
        (NODE_UID_KEY, "x"),
        (POD_NAME_KEY, "pod"),
        (POD_UID_KEY, "pod-uid"),
    ];
    assert_eq!(extra, expected);
    assert_eq!(got.audiences, ["api"]);
}

#[tokio::test]
async fn time_is_judged_with_leeway() {
    let plain = || request(Binding::None);
    assert!(judge(world(), plain(), &[], "2030-01-01T13:01:00Z").await.is_ok());
    check_refused(plain(), "2030-01-01T13:01:01Z", "service account token has expired").await;
    check_refused(plain(), "2030-01-01T11:58:59Z", "service account token is not valid yet").await;
}

#[tokio::test]
async fn bound_objects_must_live() {
    let invalidated = "service account token has been invalidated";
    check_refused(request(Binding::Pod(reference("no", "x"), None)), NOW, invalidated).await;
    let other = "pod UID (pod-uid) does not match service account pod ref claim (old)";
    check_refused(request(Binding::Pod(reference("pod", "old"), None)), NOW, other).await;
    check_refused(request(Binding::Node(reference("gone", "g"))), NOW, invalidated).await;
    check_refused(request(Binding::Secret(reference("no", "x"))), NOW, invalidated).await;
    let dying = request(Binding::Pod(reference("dying", "d"), None));
    assert!(judge(world(), dying, &[], NOW).await.is_ok(), "within the leeway");
    let mut other_account = request(Binding::None);
    other_account.service_account.uid = "old".into();
    check_refused(other_account, NOW, "service account UID (sa-uid) does not match claim (old)").await;
}

#[tokio::test]
async fn audiences_must_meet() {
    assert!(judge(world(), request(Binding::None), &["api", "x"], NOW).await.is_ok());
    let error = judge(world(), request(Binding::None), &["vault"], NOW).await.unwrap_err();
    assert_eq!(error, "token audiences [\"api\"] is invalid for the target audiences [\"vault\"]");
}

#[tokio::test]
async fn use_after_the_warning_is_annotated() {
    let stale = Request { warn_after_seconds: Some(60), ..request(Binding::None) };
    let got = judge(world(), stale, &[], "2030-01-01T12:02:00Z").await.unwrap();
    let text = "subject: system:serviceaccount:work:builder, seconds after warning threshold: 60";
    assert_eq!(got.audit_annotations, [("authentication.k8s.io/stale-token".to_string(), text.to_string())]);
}

#[tokio::test]
async fn foreign_tokens_are_not_judged_and_forged_ones_are_refused() {
    let (key, other) = (signing_key(), signing_key());
    let keys = Arc::new(vec![key.public.clone()]);
    let tokens = BoundTokens::new(vec!["i".into()], keys, vec!["api".into()], Arc::new(world()));
    let ask = async |token: &str| {
        tokens.authenticate_token(token, &[], time(NOW)).await.map(|o| o.is_some()).map_err(|e| e.to_string())
    };
    assert_eq!(ask("opaque").await, Ok(false));
    let elsewhere = Issuer::new("elsewhere", other).issue(&request(Binding::None), time(NOW)).unwrap();
    assert_eq!(ask(&elsewhere).await, Ok(false));
    let forged = Issuer::new("i", signing_key()).issue(&request(Binding::None), time(NOW)).unwrap();
    assert_eq!(ask(&forged).await, Err("invalid signature, no keys found".into()));
    let good = Issuer::new("i", key).issue(&request(Binding::None), time(NOW)).unwrap();
    assert_eq!(ask(&good).await, Ok(true));
    let (head, _) = good.rsplit_once('.').unwrap();
    assert_eq!(ask(&format!("{head}.AAAA")).await, Err("invalid signature".into()));
}

async fn judge_legacy(
    change: impl FnOnce(&mut Objects, &mut LegacyClaims),
) -> (Result<Authenticated, String>, usize) {
    let key = signing_key();
    let mut claims = LegacyClaims {
        iss: legacy::ISSUER.into(),
        namespace: "work".into(),
        secret_name: "builder-token".into(),
        service_account_name: "builder".into(),
        service_account_uid: "sa-uid".into(),
        sub: "system:serviceaccount:work:builder".into(),
    };
    let mut objects = world();
    let mut secret = Secret::default();
    secret.metadata.name = "builder-token".into();
    secret.metadata.namespace = "work".into();
    objects.secrets.push(secret);
    change(&mut objects, &mut claims);
    let token = legacy::issue(&key, &claims).unwrap();
    objects.secrets[0].data.entry("token".into()).or_insert_with(|| token.clone().into_bytes());
    let objects = Arc::new(objects);
    let tokens = LegacyTokens::new(Arc::new(vec![key.public.clone()]), vec!["api".into()], objects.clone());
    let outcome = tokens.authenticate_token(&token, &[], time(NOW)).await;
    let uses = objects.last_uses.lock().len();
    (outcome.map(|o| o.expect("ours to judge")).map_err(|e| e.to_string()), uses)
}

#[tokio::test]
async fn legacy_tokens_are_judged() {
    let (got, uses) = judge_legacy(|_, _| {}).await;
    let got = got.unwrap();
    assert_eq!(got.user.username, "system:serviceaccount:work:builder");
    assert!(got.warnings.is_empty());
    assert_eq!(uses, 1);

    let (got, _) = judge_legacy(|objects, _| {
        let reference = ObjectReference { name: "builder-token".into(), ..ObjectReference::default() };
        objects.service_accounts[0].secrets.push(reference);
    })
    .await;
    assert_eq!(got.unwrap().warnings.len(), 1);

    let labelled = |label: &'static str, value: &'static str| {
        move |objects: &mut Objects, _: &mut LegacyClaims| {
            objects.secrets[0].metadata.labels.insert(label.into(), value.into());
        }
    };
    assert_eq!(judge_legacy(labelled(legacy::LAST_USED_LABEL, "2030-01-01")).await.1, 0, "noted today");
    let (got, _) = judge_legacy(labelled(legacy::INVALID_SINCE_LABEL, "2029-01-01")).await;
    assert!(got.unwrap_err().contains("has been marked invalid"));

    let (got, _) = judge_legacy(|objects, _| {
        objects.secrets[0].data.insert("token".into(), b"other".to_vec());
    })
    .await;
    assert_eq!(got.unwrap_err(), "Token does not match server's copy");
    let (got, _) = judge_legacy(|_, claims| claims.sub = "system:serviceaccount:work:other".into()).await;
    assert_eq!(got.unwrap_err(), "sub claim is invalid");
    let (got, _) = judge_legacy(|_, claims| claims.secret_name.clear()).await;
    assert_eq!(got.unwrap_err(), "secretName claim is missing");
}
