//! Questions of kubelets over a small world of pods, claims and volumes.

use machinery::Message;
use serde_json::json;

use super::*;
use crate::authz::FieldRequirement;

fn pod(name: &str, node: &str, extra: serde_json::Value) -> api_types::core::v1::Pod {
    let mut spec = json!({"nodeName": node, "serviceAccountName": "sa", "containers": [{"name": "c"}]});
    for (key, value) in extra.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let value = json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec});
    Message::from_value(&value).unwrap()
}

fn volume(name: &str, claim: &str) -> api_types::core::v1::PersistentVolume {
    let value = json!({
        "metadata": {"name": name},
        "spec": {
            "claimRef": {"namespace": "ns", "name": claim},
            "csi": {
                "driver": "d", "volumeHandle": "h",
                "nodeStageSecretRef": {"namespace": "csi", "name": "stage"},
                "controllerExpandSecretRef": {"namespace": "csi", "name": "controller"},
            },
        },
    });
    Message::from_value(&value).unwrap()
}

fn graph() -> NodeGraph {
    let graph = NodeGraph::default();
    let volumes = json!({
        "volumes": [
            {"name": "a", "secret": {"secretName": "mounted"}},
            {"name": "b", "projected": {"sources": [
                {"secret": {"name": "projected"}}, {"configMap": {"name": "map"}},
            ]}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "d", "ephemeral": {}},
        ],
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "env"}}]}],
        "initContainers": [{"name": "i", "env": [
            {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "key-map", "key": "k"}}},
        ]}],
        "resourceClaims": [{"name": "r", "resourceClaimName": "device"}],
    });
    graph.put_pod(&pod("p1", "n1", volumes));
    graph.put_pod(&pod("p2", "n2", json!({})));
    graph.put_pod(&pod("pending", "", json!({"imagePullSecrets": [{"name": "unbound"}]})));
    let mut mirror = pod("mirror", "n1", json!({"imagePullSecrets": [{"name": "mirrored"}]}));
    mirror.metadata.annotations.insert(pod_references::MIRROR_POD_ANNOTATION.into(), "x".into());
    graph.put_pod(&mirror);
    graph.put_persistent_volume(&volume("pv", "claim"));
    graph.put_direct(Vertex::VolumeAttachment, "", "attachment", "n1");
    graph
}

struct Ask {
    authorizer: NodeAuthorizer,
}

impl Ask {
    fn new() -> Self {
        let rule = PolicyRule {
            verbs: vec!["get".into()],
            api_groups: vec!["".into()],
            resources: vec!["services".into()],
            ..PolicyRule::default()
        };
        Ask { authorizer: NodeAuthorizer::new(Arc::new(graph()), vec![rule]) }
    }

    /// `what` is `verb [group/]resource[:subresource] [namespace/]name`.
    async fn check(&self, node: &str, what: &str, expected: Result<(), &str>) {
        let user = UserInfo::new(format!("system:node:{node}"), ["system:nodes"]);
        let mut words = what.split(' ');
        let (verb, resource) = (words.next().unwrap(), words.next().unwrap());
        let (group, resource) = resource.split_once('/').unwrap_or(("", resource));
        let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
        let target = words.next().unwrap_or("");
        let (namespace, name) = target.split_once('/').unwrap_or(("", target));
        let request =
            Attributes { subresource, namespace, name, ..Attributes::resource(&user, verb, group, resource) };
        let decision = self.authorizer.authorize(&request).await;
        let got = if decision.is_allowed() { Ok(()) } else { Err(decision.reason.as_str()) };
        assert_eq!(got, expected, "{node}: {what}");
    }
}

#[tokio::test]
async fn what_pods_refer_to_may_be_read() {
    let ask = Ask::new();
    let unrelated = Err("no relationship found between node 'n1' and this object");
    for secret in ["mounted", "projected", "pull", "env"] {
        ask.check("n1", &format!("get secrets ns/{secret}"), Ok(())).await;
        ask.check("n1", &format!("watch secrets ns/{secret}"), Ok(())).await;
    }
    for secret in ["ns/other", "other/mounted", "ns/unbound", "ns/mirrored"] {
        ask.check("n1", &format!("get secrets {secret}"), unrelated).await;
    }
    ask.check("n2", "get secrets ns/mounted", Err("no relationship found between node 'n2' and this object"))
        .await;
    ask.check("n1", "get configmaps ns/map", Ok(())).await;
    ask.check("n1", "get configmaps ns/key-map", Ok(())).await;
    ask.check("n1", "list secrets ns/", Err("No Object name found")).await;
    ask.check("n1", "get secrets mounted", Err("can only read namespaced object of this type")).await;
    ask.check("n1", "update secrets ns/mounted", Err("can only read resources of this type")).await;
    ask.check("n1", "get resource.k8s.io/resourceclaims ns/device", Ok(())).await;
}

#[tokio::test]
async fn volumes_are_reached_through_claims() {
    let ask = Ask::new();
    ask.check("n1", "get persistentvolumeclaims ns/claim", Ok(())).await;
    ask.check("n1", "get persistentvolumeclaims ns/p1-d", Ok(())).await;
    ask.check("n1", "patch persistentvolumeclaims:status ns/claim", Ok(())).await;
    ask.check("n1", "get persistentvolumeclaims:status ns/claim", Err("can only get/update/patch this type"))
        .await;
    ask.check("n1", "get persistentvolumes pv", Ok(())).await;
    ask.check("n1", "list persistentvolumes pv", Err("can only get individual resources of this type")).await;
    ask.check(
        "n2",
        "get persistentvolumes pv",
        Err("no relationship found between node 'n2' and this object"),
    )
    .await;
    ask.check("n1", "get secrets csi/stage", Ok(())).await;
    let unrelated = Err("no relationship found between node 'n1' and this object");
    ask.check("n1", "get secrets csi/controller", unrelated).await;
    ask.check("n1", "get storage.k8s.io/volumeattachments attachment", Ok(())).await;
}

#[tokio::test]
async fn own_node_lease_and_csi_node() {
    let ask = Ask::new();
    ask.check("n1", "get nodes n1", Ok(())).await;
    ask.check("n1", "get nodes n2", Err("node 'n1' cannot read 'n2', only its own Node object")).await;
    ask.check("n1", "list nodes", Err("node 'n1' cannot read all nodes, only its own Node object")).await;
    ask.check("n1", "patch nodes:status n1", Ok(())).await;
    ask.check("n1", "delete nodes n1", Err("")).await;
    ask.check("n1", "update coordination.k8s.io/leases kube-node-lease/n1", Ok(())).await;
    let other = Err("can only access node lease with the same name as the requesting node");
    ask.check("n1", "update coordination.k8s.io/leases kube-node-lease/n2", other).await;
    let namespace = Err("can only access leases in the \"kube-node-lease\" system namespace");
    ask.check("n1", "get coordination.k8s.io/leases ns/n1", namespace).await;
    ask.check("n1", "create storage.k8s.io/csinodes n1", Ok(())).await;
    let other = Err("can only access CSINode with the same name as the requesting node");
    ask.check("n1", "get storage.k8s.io/csinodes n2", other).await;
}

#[tokio::test]
async fn service_accounts_pods_and_rules() {
    let ask = Ask::new();
    ask.check("n1", "create serviceaccounts:token ns/sa", Ok(())).await;
    ask.check("n1", "get serviceaccounts ns/sa", Ok(())).await;
    let unrelated = Err("no relationship found between node 'n1' and this object");
    ask.check("n1", "create serviceaccounts:token ns/other", unrelated).await;
    ask.check("n1", "get pods ns/p1", Ok(())).await;
    ask.check("n1", "get pods ns/p2", unrelated).await;
    ask.check("n1", "patch pods:status ns/p1", Ok(())).await;
    ask.check("n1", "list pods", Err("can only list/watch pods with spec.nodeName field selector")).await;
    ask.check("n1", "get services ns/any", Ok(())).await;
    ask.check("n1", "list services ns/any", Err("")).await;
}

#[tokio::test]
async fn lists_need_the_field_selector() {
    let ask = Ask::new();
    let user = UserInfo::new("system:node:n1", ["system:nodes"]);
    let decide = async |value: &str| {
        let required =
            [FieldRequirement { field: "spec.nodeName".into(), equals: true, value: value.into() }];
        let request =
            Attributes { field_requirements: &required, ..Attributes::resource(&user, "list", "", "pods") };
        ask.authorizer.authorize(&request).await.is_allowed()
    };
    assert!(decide("n1").await);
    assert!(!decide("n2").await);
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let graph = graph();
    graph.put_pod(&pod("p1", "n1", json!({})));
    assert!(!graph.is_related("n1", Vertex::Secret, "ns", "mounted"));
    assert!(graph.is_related("n1", Vertex::ServiceAccount, "ns", "sa"));
    for name in ["p1", "p2", "pending", "mirror"] {
        graph.remove_pod("ns", name);
    }
    assert!(!graph.is_related("n1", Vertex::ServiceAccount, "ns", "sa"));
    graph.remove_persistent_volume("pv");
    graph.remove_direct(Vertex::VolumeAttachment, "", "attachment");
    assert!(graph.is_empty());
}
