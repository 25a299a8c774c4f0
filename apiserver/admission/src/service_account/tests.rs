//! Pods and accounts, and what becomes of them.

use machinery::Message;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Known, create, object, request};

fn account(name: &str, extra: Value) -> Account {
    let mut value = json!({"metadata": {"name": name, "namespace": "ns"}});
    for (key, given) in extra.as_object().unwrap() {
        match (key.as_str(), value.get_mut(key)) {
            ("metadata", Some(metadata)) => {
                metadata.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
            }
            _ => value[key] = given.clone(),
        }
    }
    object(value)
}

fn pod(annotations: Value, spec: Value) -> Pod {
    object(json!({"metadata": {"name": "x", "namespace": "ns", "annotations": annotations}, "spec": spec}))
}

fn mirror(spec: Value) -> Pod {
    pod(json!({MIRROR_POD_ANNOTATION: "hash"}), spec)
}

fn world() -> Known {
    let limited = json!({
        "metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        "secrets": [{"name": "listed"}],
        "imagePullSecrets": [{"name": "pull"}],
    });
    Known::new()
        .with(account("default", json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]})))
        .with(account("quiet", json!({"automountServiceAccountToken": false})))
        .with(account("limited", limited))
        .only_live(account("new", json!({})))
}

async fn admitted(pod: Pod) -> Result<Pod, String> {
    let plugin = ServiceAccount::new(world().lookup());
    let mut attributes = create(pod);
    plugin.admit(&mut attributes).await.map_err(|error| error.to_string())?;
    Ok(attributes.object.unwrap().downcast_ref::<Pod>().unwrap().clone())
}

#[tokio::test]
async fn a_pod_gets_its_account_token_and_secrets() {
    let made = admitted(pod(json!({}), json!({
        "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "own", "mountPath": token_path()}]}],
        "initContainers": [{"name": "i"}],
    })))
    .await
    .unwrap();
    assert_eq!(made.spec.service_account_name, "default");
    let volume = made.spec.volumes[0].clone();
    let suffix = volume.name.strip_prefix("kube-api-access-").unwrap();
    assert_eq!(suffix.len(), 5);
    assert_eq!(
        volume.to_value(),
        json!({"name": volume.name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ]}})
    );
    let mount = json!([{"name": volume.name, "readOnly": true, "mountPath": token_path()}]);
    let spec = made.spec.to_value();
    assert_eq!(spec["containers"][0]["volumeMounts"], mount);
    assert_eq!(spec["containers"][1]["volumeMounts"][0]["name"], "own");
    assert_eq!(spec["initContainers"][0]["volumeMounts"], mount);
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "a"}, {"name": "b"}]));
}

fn token_path() -> &'static str {
    "/var/run/secrets/kubernetes.io/serviceaccount"
}

#[tokio::test]
async fn what_the_pod_says_wins() {
    let volumes = async |spec: Value| admitted(pod(json!({}), spec)).await.unwrap().spec.volumes.len();
    let containers = json!([{"name": "a"}]);
    let with = |extra: Value| {
        let mut spec = json!({"containers": containers});
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        spec
    };
    assert_eq!(volumes(with(json!({}))).await, 1);
    assert_eq!(volumes(with(json!({"automountServiceAccountToken": false}))).await, 0);
    assert_eq!(volumes(with(json!({"serviceAccountName": "quiet"}))).await, 0);
    let both = json!({"serviceAccountName": "quiet", "automountServiceAccountToken": true});
    assert_eq!(volumes(with(both)).await, 1);
    let named = json!({"volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}]});
    assert_eq!(volumes(with(named)).await, 1, "a volume of such a name is used");
    assert_eq!(volumes(json!({})).await, 0, "nobody needs it");
    let old = admitted(pod(json!({}), with(json!({"serviceAccount": "quiet"})))).await.unwrap();
    assert_eq!(old.spec.service_account_name, "quiet", "the old name of the field is understood");
    let secrets = json!({"imagePullSecrets": [{"name": "own"}]});
    let made = admitted(pod(json!({}), with(secrets))).await.unwrap();
    assert_eq!(made.spec.image_pull_secrets.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_account_must_exist() {
    let missing = |name: &str| {
        format!(
            "pods \"x\" is forbidden: error looking up service account ns/{name}: serviceaccount \"{name}\" not found"
        )
    };
    let named = |name: &str| pod(json!({}), json!({"serviceAccountName": name}));
    assert_eq!(admitted(named("gone")).await.unwrap_err(), missing("gone"));
    assert!(admitted(named("new")).await.is_ok(), "the store is asked when the cache has not heard of it");
    let plugin = ServiceAccount::new(Known::new().lookup());
    let begin = tokio::time::Instant::now();
    let refused = plugin.admit(&mut create(pod(json!({}), json!({})))).await.unwrap_err();
    assert_eq!((refused.code(), refused.to_string()), (403, missing("default")));
    assert!(
        begin.elapsed() >= Duration::from_millis(900),
        "a controller has time to make the default account"
    );
}

#[tokio::test]
async fn mirror_pods_reference_nothing() {
    let kept = mirror(json!({"containers": [{"name": "a"}]}));
    assert_eq!(admitted(kept.clone()).await, Ok(kept), "mirror pods stay as they are");
    let token = json!({"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]});
    let cases = [
        (json!({"serviceAccountName": "default"}), "a mirror pod may not reference service accounts"),
        (
            json!({"volumes": [{"name": "s", "secret": {"secretName": "s"}}]}),
            "a mirror pod may not reference secrets",
        ),
        (json!({"imagePullSecrets": [{"name": "s"}]}), "a mirror pod may not reference secrets"),
        (token, "a mirror pod may not use ServiceAccountToken volume projections"),
    ];
    for (spec, expected) in cases {
        let expected = format!("pods \"x\" is forbidden: {expected}");
        assert_eq!(admitted(mirror(spec)).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn accounts_can_limit_secrets() {
    let env =
        |secret: &str| json!([{"name": "E", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]);
    let from = json!([{"secretRef": {"name": "s"}}]);
    let end = "is not allowed because service account limited does not reference that secret";
    let cases = [
        (json!({"containers": [{"name": "c", "env": env("listed")}]}), None),
        (
            json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
            Some(format!("volume with secret.secretName=\"s\" {end}")),
        ),
        (
            json!({"containers": [{"name": "c", "env": env("s")}]}),
            Some(format!("container c with envVar E referencing secret.secretName=\"s\" {end}")),
        ),
        (
            json!({"initContainers": [{"name": "c", "envFrom": from}]}),
            Some(format!("init container c with envFrom referencing secret.secretName=\"s\" {end}")),
        ),
        (
            json!({"imagePullSecrets": [{"name": "pull"}, {"name": "s"}]}),
            Some(
                "imagePullSecrets[1].name=\"s\" is not allowed because service account limited does not reference \
                 that imagePullSecret"
                    .to_owned(),
            ),
        ),
    ];
    for (mut spec, expected) in cases {
        spec["serviceAccountName"] = json!("limited");
        let expected = expected.map(|text| format!("pods \"x\" is forbidden: {text}"));
        assert_eq!(admitted(pod(json!({}), spec)).await.err(), expected);
    }
}

#[tokio::test]
async fn ephemeral_containers_are_judged_too() {
    let plugin = ServiceAccount::new(world().lookup());
    let secret = json!([{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    let debugged =
        json!({"serviceAccountName": "limited", "ephemeralContainers": [{"name": "d", "env": secret}]});
    let mut attributes = request(Operation::Update, Some(pod(json!({}), debugged)), None);
    assert_eq!(plugin.validate(&attributes).await, Ok(()), "other updates are not looked at");
    attributes.subresource = "ephemeralcontainers".to_owned();
    let refused = plugin.validate(&attributes).await.unwrap_err().to_string();
    let expected = "ephemeral container d with envVar E referencing secret.secretName=\"s\" is not allowed because \
                    service account limited does not reference that secret";
    assert!(refused.ends_with(expected), "{refused}");
}
