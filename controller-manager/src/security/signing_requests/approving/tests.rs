//! What is asked, and that an answer approves.

use api_types::authorization::v1::SubjectAccessReview;
use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use api_types::core::v1::{Node, NodeAddress, Service};
use client::fake::{Answer, FakeServer};
use http::Method;
use runtime::Store;

use super::gather::{Approver, NotApproved};
use super::plan::questions;
use super::serving::Owners;
use crate::security::signing_requests::requests::tests::{pem, pem_with_addresses};

fn request(user: &str, signer: &str) -> CertificateSigningRequest {
    let mut request = CertificateSigningRequest::default();
    request.metadata.name = "csr-1".into();
    request.spec.request = pem("system:node:n1", "system:nodes", &[]);
    request.spec.signer_name = signer.into();
    request.spec.username = user.into();
    request.spec.usages = vec!["client auth".into(), "digital signature".into()];
    request
}

const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";

#[test]
fn only_kubelets_are_asked_about() {
    let check = |request: &CertificateSigningRequest, expected: &[&str]| {
        let asked: Vec<&str> = questions(request).iter().map(|question| question.subresource).collect();
        assert_eq!(asked, expected);
    };
    check(&request("system:node:n1", KUBELET), &["selfnodeclient", "nodeclient"]);
    check(&request("system:bootstrap:abcdef", KUBELET), &["nodeclient"]);
    check(&request("jane", "kubernetes.io/kube-apiserver-client"), &[]);
    let mut denied = request("jane", KUBELET);
    denied.status.conditions = vec![CertificateSigningRequestCondition {
        type_: "Denied".into(),
        status: "True".into(),
        ..Default::default()
    }];
    check(&denied, &[]);
    let mut nonsense = request("jane", KUBELET);
    nonsense.spec.request = b"nonsense".to_vec();
    check(&nonsense, &[]);
}

#[tokio::test]
async fn an_allowed_request_is_approved() {
    let server = FakeServer::start().await.expect("server");
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let mut allowed = SubjectAccessReview::default();
    server.on(Method::POST, reviews, Answer::object(&allowed));
    allowed.status.allowed = true;
    server.on(Method::POST, reviews, Answer::object(&allowed));
    let approval = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval";
    server.on(Method::PUT, approval, Answer::object(&CertificateSigningRequest::default()));
    let approver = Approver { client: server.client().expect("client"), owners: owners(&[]) };
    approver.approve(&request("system:node:n1", KUBELET)).await.expect("approved");
    let received = server.received();
    assert_eq!(received.iter().filter(|request| request.method == Method::POST).count(), 2);
    assert_eq!(received.last().map(|request| request.target.as_str()), Some(approval));
}

const SERVING: &str = "kubernetes.io/kubelet-serving";

fn owners(nodes: &[(&str, &str)]) -> Owners {
    let nodes = nodes.iter().map(|(name, address)| {
        let mut node = Node::default();
        node.metadata.name = (*name).into();
        node.status.addresses = vec![NodeAddress { type_: "InternalIP".into(), address: (*address).into() }];
        node
    });
    let mut service = Service::default();
    (service.metadata.namespace, service.metadata.name) = ("default".into(), "kubernetes".into());
    service.spec.cluster_ips = vec!["10.96.0.1".into()];
    Owners { nodes: Store::with_objects(nodes), services: Store::with_objects([service]) }
}

fn serving_request(dns: &[&str], addresses: &[&str]) -> CertificateSigningRequest {
    let mut request = request("system:node:n1", SERVING);
    request.spec.request = pem_with_addresses("system:node:n1", "system:nodes", dns, addresses);
    request.spec.groups = vec!["system:nodes".into()];
    request.spec.usages = vec!["server auth".into(), "digital signature".into()];
    request
}

#[track_caller]
fn check_names(owners: &Owners, request: &CertificateSigningRequest, expected: Result<(), &str>) {
    let (parsed, question) = super::plan::serving(request).expect("a request of a kubelet");
    assert_eq!(question.subresource, "selfnodeserver");
    assert_eq!(owners.check(request, &parsed), expected.map_err(str::to_owned));
}

#[test]
fn a_kubelet_serves_under_its_own_names_only() {
    let own = owners(&[("n1", "192.0.2.1"), ("n2", "192.0.2.2")]);
    check_names(&own, &serving_request(&["n1"], &["192.0.2.1"]), Ok(()));
    let refused = |dns: &[&str], addresses: &[&str], text: &str| {
        check_names(&own, &serving_request(dns, addresses), Err(text));
    };
    refused(&["n2"], &["192.0.2.1"], "DNS name \"n2\" is not the name of node \"n1\"");
    refused(&["n1", "kubernetes"], &[], "DNS name \"kubernetes\" is not the name of node \"n1\"");
    let text = "IP address 192.0.2.2 is not in status.addresses of node \"n1\"";
    refused(&["n1"], &["192.0.2.1", "192.0.2.2"], text);
    let other_user = |user: &str, groups: &[&str]| {
        let mut request = serving_request(&["n1"], &["192.0.2.1"]);
        request.spec.username = user.into();
        request.spec.groups = groups.iter().map(|group| (*group).into()).collect();
        request
    };
    for (user, groups) in [("system:node:n2", ["system:nodes"]), ("system:node:n1", ["people"])] {
        let text = format!(
            "user {user:?} asks for a certificate of \"system:node:n1\": only a node of group \"system:nodes\" may, for itself"
        );
        check_names(&own, &other_user(user, &groups), Err(&text));
    }
    // What a node says about itself is not enough.
    let request = serving_request(&["n1"], &["192.0.2.2"]);
    let text = "IP address 192.0.2.2 is also that of node \"n2\"";
    check_names(&owners(&[("n1", "192.0.2.2"), ("n2", "192.0.2.2")]), &request, Err(text));
    let request = serving_request(&["n1"], &["10.96.0.1"]);
    let text = "IP address 10.96.0.1 is that of service default/kubernetes";
    check_names(&owners(&[("n1", "10.96.0.1")]), &request, Err(text));
    let request = serving_request(&["n1"], &["127.0.0.1"]);
    check_names(&owners(&[("n1", "127.0.0.1")]), &request, Err("IP address 127.0.0.1 is nobody's own"));
    check_names(&owners(&[]), &request, Err("there is no node \"n1\" yet"));
    let unknown = Owners { nodes: Store::new(), services: Store::new() };
    let text = "the nodes and services of the cluster are not known yet";
    check_names(&unknown, &request, Err(text));
}

#[tokio::test]
async fn serving_certificates_are_approved_where_nodes_have_the_right() {
    let server = FakeServer::start().await.expect("server");
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let mut review = SubjectAccessReview::default();
    server.on(Method::POST, reviews, Answer::object(&review));
    review.status.allowed = true;
    server.on(Method::POST, reviews, Answer::object(&review));
    let approval = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval";
    server.on(Method::PUT, approval, Answer::object(&CertificateSigningRequest::default()));
    let approver =
        |nodes: &[(&str, &str)]| Approver { client: server.client().expect("client"), owners: owners(nodes) };
    let request = serving_request(&["n1"], &["192.0.2.1"]);
    let right = approver(&[("n1", "192.0.2.1")]);
    let approvals = || server.received().iter().filter(|request| request.target == approval).count();
    right.approve(&request).await.expect("left to an administrator");
    assert_eq!(approvals(), 0, "nodes have no such right yet");
    let early = approver(&[]).approve(&request).await;
    assert!(matches!(early, Err(NotApproved::Names(_))), "{early:?}");
    assert_eq!(approvals(), 0, "the node has not told its addresses");
    right.approve(&request).await.expect("approved");
    assert_eq!(approvals(), 1);
}
