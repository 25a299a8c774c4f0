//! Users with and without rights on signers.

use apiserver_auth::authz::{Decision, ResolvedRules};
use serde_json::{Value, json};

use super::*;
use crate::testing::{create, object, request};

/// Allows all verbs for one name of signers.
struct Grants(&'static str);

#[async_trait]
impl Authorizer for Grants {
    async fn authorize(&self, question: &authz::Attributes<'_>) -> Decision {
        let granted =
            question.resource == "signers" && question.api_group == GROUP && question.name == self.0;
        if granted { Decision::allow("") } else { Decision::no_opinion("") }
    }

    async fn rules_for(&self, _: &UserInfo, _: &str) -> ResolvedRules {
        ResolvedRules::default()
    }
}

fn signing_request(signer: &str, status: Value) -> CertificateSigningRequest {
    object(json!({"metadata": {"name": "r"}, "spec": {"signerName": signer}, "status": status}))
}

fn update(subresource: &str, status: Value) -> Attributes {
    let (old, new) = (signing_request("a.example/s", json!({})), signing_request("b.example/s", status));
    let mut attributes = request(Operation::Update, Some(new), Some(old));
    attributes.subresource = subresource.to_owned();
    attributes
}

async fn answer(plugin: &dyn Plugin, attributes: &Attributes) -> Option<String> {
    let refused = plugin.validate(attributes).await.err()?.to_string();
    Some(refused.split_once(" is forbidden: ")?.1.to_owned())
}

#[tokio::test]
async fn approving_takes_a_right_on_the_stored_signer() {
    let ask = async |granted| {
        let plugin = CertificateApproval(Arc::new(Grants(granted)));
        answer(&plugin, &update("approval", json!({}))).await
    };
    let refused = "user not permitted to approve requests with signerName \"a.example/s\"";
    assert_eq!(ask("a.example/s").await, None);
    assert_eq!(ask("a.example/*").await, None);
    assert_eq!(ask("b.example/s").await.as_deref(), Some(refused));
    let other = update("status", json!({}));
    assert_eq!(answer(&CertificateApproval(Arc::new(Grants(""))), &other).await, None);
}

#[tokio::test]
async fn signing_takes_a_right_when_something_is_signed() {
    let ask = async |granted, status: Value| {
        let plugin = CertificateSigning(Arc::new(Grants(granted)));
        answer(&plugin, &update("status", status)).await
    };
    let refused = "user not permitted to sign requests with signerName \"a.example/s\"";
    let signed = json!({"certificate": "YQ=="});
    let failed = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    assert_eq!(ask("a.example/*", signed.clone()).await, None);
    assert_eq!(ask("", signed).await.as_deref(), Some(refused));
    assert_eq!(ask("", failed).await.as_deref(), Some(refused));
    assert_eq!(ask("", json!({})).await, None, "nothing is signed");
}

#[tokio::test]
async fn nobody_becomes_a_master_by_certificate() {
    let ask = async |signer: &str, group: &str| {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, group);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = signing_request(signer, json!({}));
        wanted.spec.request = parameters.serialize_request(&key).unwrap().pem().unwrap().into_bytes();
        answer(&CertificateSubjectRestriction, &create(wanted)).await
    };
    let refused =
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
    assert_eq!(ask(CLIENT_SIGNER, MASTERS).await.as_deref(), Some(refused));
    assert_eq!(ask(CLIENT_SIGNER, "admins").await, None);
    assert_eq!(ask("example.com/signer", MASTERS).await, None);
    let broken =
        answer(&CertificateSubjectRestriction, &create(signing_request(CLIENT_SIGNER, json!({})))).await;
    assert_eq!(broken.as_deref(), Some("failed to parse CSR: PEM block type must be CERTIFICATE REQUEST"));
}
