//! What is asked, and that an answer approves.

use api_types::authorization::v1::SubjectAccessReview;
use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use client::fake::{Answer, FakeServer};
use http::Method;

use super::gather::Approver;
use super::plan::questions;
use crate::security::signing_requests::requests::tests::pem;

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
    let approver = Approver { client: server.client().expect("client") };
    approver.approve(&request("system:node:n1", KUBELET)).await.expect("approved");
    let received = server.received();
    assert_eq!(received.iter().filter(|request| request.method == Method::POST).count(), 2);
    assert_eq!(received.last().map(|request| request.target.as_str()), Some(approval));
}
