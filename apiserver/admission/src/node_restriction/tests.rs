//! Requests of a kubelet `n1`, and what is said to them.

use api_types::certificates::v1::CertificateSigningRequest;
use api_types::coordination::v1::Lease;
use api_types::core::v1::{ConfigMap, PersistentVolumeClaim};
use api_types::resource::v1::ResourceSlice;
use api_types::storage::v1::CSINode;
use apiserver_auth::UserInfo;
use apiserver_auth::authz::{Attributes as Question, Decision, ResolvedRules};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Known, create, object, request, user};

/// Allows tokens of the audience `granted`, and nothing else.
struct Grants;

#[async_trait]
impl Authorizer for Grants {
    async fn authorize(&self, question: &Question<'_>) -> Decision {
        let asked = (question.verb, question.namespace, question.resource, question.name);
        match asked {
            ("request-serviceaccounts-token-audience", "ns", "granted", "account") => Decision::allow(""),
            _ => Decision::no_opinion(""),
        }
    }

    async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
        ResolvedRules::default()
    }
}

fn world() -> Known {
    Known::new()
        .with::<Node>(object(json!({"metadata": {"name": "n1", "uid": "u1"}})))
        .with::<Pod>(object(json!({"metadata": {"name": "mine", "namespace": "ns", "uid": "p1"}, "spec": {
            "nodeName": "n1",
            "volumes": [
                {"name": "token", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "t"}}, {"serviceAccountToken": {"path": "v", "audience": "vault"}},
                ]}},
                {"name": "csi", "csi": {"driver": "driver"}},
                {"name": "claim", "persistentVolumeClaim": {"claimName": "claim"}},
            ],
        }})))
        .with::<Pod>(object(json!({"metadata": {"name": "foreign", "namespace": "ns", "uid": "p2"},
            "spec": {"nodeName": "n2"}})))
        .with::<PersistentVolumeClaim>(object(json!({"metadata": {"name": "claim", "namespace": "ns"},
            "spec": {"volumeName": "volume"}})))
        .with::<api_types::core::v1::PersistentVolume>(object(json!({"metadata": {"name": "volume"},
            "spec": {"awsElasticBlockStore": {"volumeID": "v"}}})))
        .with(driver("driver", "inline"))
        .with(driver("ebs.csi.aws.com", "migrated"))
}

fn driver(name: &str, audience: &str) -> api_types::storage::v1::CSIDriver {
    object(json!({"metadata": {"name": name}, "spec": {"tokenRequests": [{"audience": audience}]}}))
}

/// The answer to a request of `n1`: nothing when it passes, else the explanation.
async fn answer(mut attributes: Attributes) -> String {
    attributes.user = Arc::new(user("system:node:n1", &["system:nodes"]));
    let plugin = NodeRestriction::new(world().lookup(), Arc::new(Grants));
    let refused = plugin.admit(&mut attributes).await.err().map(|error| error.to_string());
    let refused = refused.unwrap_or_default();
    refused.split_once(" is forbidden: ").map_or(refused.clone(), |(_, reason)| reason.to_owned())
}

fn mirror(change: impl FnOnce(&mut Value)) -> Pod {
    let mut value = json!({
        "metadata": {
            "name": "static-n1", "namespace": "kube-system",
            "annotations": {"kubernetes.io/config.mirror": "hash"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": true},
            ],
        },
        "spec": {"nodeName": "n1", "volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
    });
    change(&mut value);
    object(value)
}

#[tokio::test]
async fn kubelets_make_mirror_pods_of_their_own() {
    assert_eq!(answer(create(mirror(|_| {}))).await, "");
    let owner = |field: &str, value: Value| {
        let field = field.to_owned();
        mirror(move |pod| pod["metadata"]["ownerReferences"][0][field] = value)
    };
    let volume = |source: Value| mirror(move |pod| pod["spec"]["volumes"] = json!([source]));
    let cases = [
        (
            mirror(|pod| pod["metadata"]["annotations"] = json!({})),
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods",
        ),
        (
            mirror(|pod| pod["spec"]["nodeName"] = json!("n2")),
            "node \"n1\" can only create pods with spec.nodeName set to itself",
        ),
        (
            mirror(|pod| pod["metadata"]["ownerReferences"] = json!([])),
            "node \"n1\" can only create pods with an owner reference set to itself",
        ),
        (
            owner("name", json!("n2")),
            "node \"n1\" can only create pods with an owner reference set to itself",
        ),
        (
            owner("controller", json!(false)),
            "node \"n1\" can only create pods with a controller owner reference set to itself",
        ),
        (
            owner("blockOwnerDeletion", json!(true)),
            "node \"n1\" must not set blockOwnerDeletion on an owner reference",
        ),
        (owner("uid", json!("old")), "node n1 UID mismatch: expected old got u1"),
        (
            mirror(|pod| pod["spec"]["serviceAccountName"] = json!("a")),
            "node \"n1\" can not create pods that reference serviceaccounts",
        ),
        (
            volume(json!({"name": "v", "secret": {"secretName": "s"}})),
            "node \"n1\" can not create pods that reference secrets",
        ),
        (
            volume(json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "m"}}]}})),
            "node \"n1\" can not create pods that reference configmaps",
        ),
        (
            volume(json!({"name": "v", "csi": {"driver": "d"}})),
            "node \"n1\" can not create pods that reference csidrivers (via CSI volumes)",
        ),
        (
            volume(json!({"name": "v", "persistentVolumeClaim": {"claimName": "c"}})),
            "node \"n1\" can not create pods that reference persistentvolumeclaims",
        ),
        (
            volume(json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}})),
            "node \"n1\" can not create pods that reference serviceaccounts (via projected volumes)",
        ),
        (
            volume(json!({"name": "v"})),
            "error checking mirror pod for API references: unknown volume type for volume \"v\"",
        ),
    ];
    for (pod, expected) in cases {
        assert_eq!(answer(create(pod)).await, expected);
    }
}

#[tokio::test]
async fn kubelets_end_only_their_pods() {
    let delete = |name: &str| {
        let pod: Pod = object(json!({"metadata": {"name": name, "namespace": "ns"}}));
        request(Operation::Delete, None, Some(pod))
    };
    assert_eq!(answer(delete("mine")).await, "");
    let expected = "node \"n1\" can only delete pods with spec.nodeName set to itself";
    assert_eq!(answer(delete("foreign")).await, expected);
    assert_eq!(answer(delete("gone")).await, "pods \"gone\" not found");
    let evict = |name: &str| {
        let eviction: Eviction = object(json!({"metadata": {"name": name, "namespace": "ns"}}));
        let mut attributes = create(eviction);
        attributes.resource = machinery::GroupVersionResource::new("", "v1", "pods");
        attributes.subresource = "eviction".to_owned();
        attributes
    };
    assert_eq!(answer(evict("mine")).await, "");
    let expected = "node n1 can only evict pods with spec.nodeName set to itself";
    assert_eq!(answer(evict("foreign")).await, expected);
    let mut exec = evict("mine");
    exec.subresource = "binding".to_owned();
    let expected = "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed";
    assert_eq!(answer(exec).await, expected);
}

fn update<T: Resource>(subresource: &str, old: Value, new: Value) -> Attributes {
    let mut attributes = request(Operation::Update, Some(object::<T>(new)), Some(object::<T>(old)));
    attributes.subresource = subresource.to_owned();
    attributes
}

#[tokio::test]
async fn kubelets_tell_the_status_of_their_pods() {
    let pod = |node: &str, labels: Value, status: Value| {
        let metadata = json!({"name": "p", "namespace": "ns", "labels": labels});
        json!({"metadata": metadata, "spec": {"nodeName": node}, "status": status})
    };
    let ask = async |old: Value, new: Value| answer(update::<Pod>("status", old, new)).await;
    let old = pod("n1", json!({"a": "b"}), json!({}));
    assert_eq!(ask(old.clone(), pod("n1", json!({"a": "b"}), json!({"phase": "Running"}))).await, "");
    let foreign = pod("n2", json!({}), json!({}));
    assert_eq!(
        ask(foreign.clone(), foreign).await,
        "node \"n1\" can only update pod status for pods with spec.nodeName set to itself"
    );
    assert_eq!(
        ask(old.clone(), pod("n1", json!({}), json!({}))).await,
        "node \"n1\" cannot update labels through pod status"
    );
    let claims = json!({"resourceClaimStatuses": [{"name": "c", "resourceClaimName": "other"}]});
    assert_eq!(
        ask(old, pod("n1", json!({"a": "b"}), claims)).await,
        "node \"n1\" cannot update resource claim statues"
    );
}

#[tokio::test]
async fn kubelets_change_only_their_node() {
    let node =
        |labels: Value, spec: Value| json!({"metadata": {"name": "n1", "labels": labels}, "spec": spec});
    let ask = async |old: Value, new: Value| answer(update::<Node>("", old, new)).await;
    let plain = || node(json!({}), json!({}));
    let taints = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
    let source = json!({"configSource": {"configMap": {"name": "m"}}});
    assert_eq!(ask(plain(), plain()).await, "");
    assert_eq!(
        ask(plain(), node(json!({}), taints.clone())).await,
        "node \"n1\" is not allowed to modify taints"
    );
    assert_eq!(ask(node(json!({}), taints), plain()).await, "node \"n1\" is not allowed to modify taints");
    assert_eq!(
        ask(plain(), node(json!({}), source.clone())).await,
        "node \"n1\" is not allowed to update configSource to a new non-nil configSource"
    );
    assert_eq!(ask(node(json!({}), source), plain()).await, "", "old kubelets drop the field");
    let mut owned = plain();
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "u"}]);
    assert_eq!(ask(plain(), owned).await, "node \"n1\" is not allowed to modify ownerReferences");
    let mut foreign = plain();
    foreign["metadata"]["name"] = json!("n2");
    let expected = "node \"n1\" is not allowed to modify node \"n2\"";
    assert_eq!(ask(foreign.clone(), foreign).await, expected);
}

#[tokio::test]
async fn labels_that_steer_pods_are_not_for_kubelets() {
    let node = |labels: Value| json!({"metadata": {"name": "n1", "labels": labels}});
    let allowed = json!({
        "kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "z", "x.node.kubernetes.io/a": "",
        "kubelet.kubernetes.io/a": "", "example.com/a": "", "plain": "", "notkubernetes.io/a": "",
    });
    assert_eq!(answer(create::<Node>(object(node(allowed.clone())))).await, "");
    assert_eq!(answer(update::<Node>("status", node(json!({})), node(allowed))).await, "");
    let forbidden = json!({
        "node-role.kubernetes.io/control-plane": "", "a.node-restriction.kubernetes.io/x": "", "k8s.io/a": "",
    });
    let list = "a.node-restriction.kubernetes.io/x, k8s.io/a, node-role.kubernetes.io/control-plane";
    assert_eq!(
        answer(create::<Node>(object(node(forbidden.clone())))).await,
        format!("node \"n1\" is not allowed to set the following labels: {list}")
    );
    let expected = format!("is not allowed to modify labels: {list}");
    assert_eq!(answer(update::<Node>("", node(forbidden), node(json!({})))).await, expected);
}

#[tokio::test]
async fn claims_grow_and_nothing_else() {
    let claim = |value: Value| {
        let mut whole = json!({"metadata": {"name": "c", "namespace": "ns"}, "spec": {"volumeName": "v"}});
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        whole
    };
    let ask =
        async |new: Value| answer(update::<PersistentVolumeClaim>("status", claim(json!({})), new)).await;
    let grown = json!({"status": {"capacity": {"storage": "2Gi"}, "conditions": [{"type": "Resizing", "status": "True"}]}});
    assert_eq!(ask(claim(grown)).await, "");
    let prefix =
        "node \"n1\" is not allowed to update fields other than status.quantity and status.conditions: ";
    assert_eq!(ask(claim(json!({"status": {"phase": "Lost"}}))).await, format!("{prefix}status.phase"));
    let main = update::<PersistentVolumeClaim>("", claim(json!({})), claim(json!({})));
    assert_eq!(answer(main).await, "may only update PVC status");
}

#[tokio::test]
async fn tokens_are_for_pods_here_and_their_audiences() {
    let ask = async |bound: Value, audiences: Value| {
        let spec = json!({"boundObjectRef": bound, "audiences": audiences});
        let token: TokenRequest =
            object(json!({"metadata": {"name": "account", "namespace": "ns"}, "spec": spec}));
        let mut attributes = create(token);
        attributes.resource = machinery::GroupVersionResource::new("", "v1", "serviceaccounts");
        attributes.subresource = "token".to_owned();
        answer(attributes).await
    };
    let pod = |name: &str, uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    for audience in ["vault", "inline", "migrated", "granted"] {
        assert_eq!(ask(pod("mine", "p1"), json!([audience])).await, "", "{audience}");
    }
    assert_eq!(ask(pod("mine", "p1"), json!([])).await, "");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"});
    let cases = [
        (Value::Null, json!([]), "node requested token not bound to a pod"),
        (secret, json!([]), "node requested token not bound to a pod"),
        (pod("mine", ""), json!([]), "node requested token with a pod binding without a uid"),
        (pod("gone", "u"), json!([]), "pods \"gone\" not found"),
        (
            pod("mine", "old"),
            json!([]),
            "the UID in the bound object reference (old) does not match the UID in record. The object might have been \
             deleted and then recreated",
        ),
        (
            pod("foreign", "p2"),
            json!([]),
            "node requested token bound to a pod scheduled on a different node",
        ),
        (pod("mine", "p1"), json!(["a", "b"]), "node may only request 0 or 1 audiences"),
        (
            pod("mine", "p1"),
            json!(["other"]),
            "audience \"other\" not found in pod spec volume, system:node:n1 is not authorized to request tokens for \
             this audience",
        ),
    ];
    for (bound, audiences, expected) in cases {
        assert_eq!(ask(bound, audiences).await, expected);
    }
}

#[tokio::test]
async fn kubelets_have_one_lease_and_one_list_of_drivers() {
    let lease = |namespace: &str, name: &str| -> Lease {
        object(json!({"metadata": {"name": name, "namespace": namespace}}))
    };
    assert_eq!(answer(create(lease("kube-node-lease", "n1"))).await, "");
    let expected = "can only access leases in the \"kube-node-lease\" system namespace";
    assert_eq!(answer(create(lease("kube-system", "n1"))).await, expected);
    let expected = "can only access node lease with the same name as the requesting node";
    assert_eq!(answer(create(lease("kube-node-lease", "n2"))).await, expected);
    let delete = request(Operation::Delete, None, Some(lease("kube-node-lease", "n2")));
    assert_eq!(answer(delete).await, expected);
    let drivers = |name: &str| -> CSINode { object(json!({"metadata": {"name": name}})) };
    assert_eq!(answer(create(drivers("n1"))).await, "");
    let expected = "can only access CSINode with the same name as the requesting node";
    assert_eq!(answer(create(drivers("n2"))).await, expected);
    let slice = |node: Value| -> ResourceSlice {
        object(json!({"metadata": {"name": "s"}, "spec": {"driver": "d", "nodeName": node}}))
    };
    assert_eq!(answer(create(slice(json!("n1")))).await, "");
    let expected = "can only create ResourceSlice with the same NodeName as the requesting node";
    assert_eq!(answer(create(slice(Value::Null))).await, expected);
    let expected = "can only delete ResourceSlice with the same NodeName as the requesting node";
    assert_eq!(answer(request(Operation::Delete, None, Some(slice(json!("n2"))))).await, expected);
}

fn signing_request(name: &str, signer: &str) -> CertificateSigningRequest {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = parameters.serialize_request(&key).unwrap().pem().unwrap();
    CertificateSigningRequest {
        spec: api_types::certificates::v1::CertificateSigningRequestSpec {
            request: pem.into_bytes(),
            signer_name: signer.to_owned(),
            ..Default::default()
        },
        ..Default::default()
    }
}

#[tokio::test]
async fn certificates_are_in_the_name_of_the_node() {
    for signer in ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"] {
        assert_eq!(answer(create(signing_request("system:node:n1", signer))).await, "");
        let expected = "can only create a node CSR with CN=system:node:n1";
        assert_eq!(answer(create(signing_request("system:node:n2", signer))).await, expected);
        let mut broken = signing_request("system:node:n1", signer);
        broken.spec.request = b"text".to_vec();
        let expected = "unable to parse csr: PEM block type must be CERTIFICATE REQUEST";
        assert_eq!(answer(create(broken)).await, expected);
    }
    assert_eq!(answer(create(signing_request("other", "example.com/signer"))).await, "");
}

#[tokio::test]
async fn others_are_not_looked_at() {
    let plugin = NodeRestriction::new(world().lookup(), Arc::new(Grants));
    let pod: Pod = object(json!({"metadata": {"name": "p", "namespace": "ns"}}));
    assert_eq!(plugin.admit(&mut create(pod.clone())).await, Ok(()));
    let map: ConfigMap = object(json!({"metadata": {"name": "m", "namespace": "ns"}}));
    assert_eq!(answer(create(map)).await, "", "the authorizer decides about the rest");
    let mut nobody = create(pod);
    nobody.user = Arc::new(user("system:node:", &["system:nodes"]));
    let refused = plugin.admit(&mut nobody).await.unwrap_err().to_string();
    assert!(refused.ends_with("could not determine node from user \"system:node:\""), "{refused}");
}
