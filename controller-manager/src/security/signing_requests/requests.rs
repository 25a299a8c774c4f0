//! What may stand in a request for each signer (`pkg/apis/certificates/helpers.go`).

use std::collections::BTreeSet;

use api_types::certificates::v1::CertificateSigningRequest;
use component_base::tls::SigningRequest;

/// Client certificates for users.
pub(super) const API_SERVER_CLIENT: &str = "kubernetes.io/kube-apiserver-client";
/// Client certificates for kubelets.
pub(super) const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Serving certificates for kubelets.
pub(super) const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// Anything, trusted by nobody in particular.
pub(super) const LEGACY_UNKNOWN: &str = "kubernetes.io/legacy-unknown";

/// Checks a request for a signer; the message is what the user reads in its conditions.
pub(super) type Check = fn(&SigningRequest, &[String]) -> Result<(), String>;

/// The signers this program can be, with their rules.
pub(super) const SIGNERS: [(&str, Check); 4] = [
    (KUBELET_SERVING, kubelet_serving),
    (KUBELET_CLIENT, kubelet_client),
    (API_SERVER_CLIENT, api_server_client),
    (LEGACY_UNKNOWN, |_, _| Ok(())),
];

/// Whether a condition of that type is true; an empty status counts as true, as in old objects.
pub(super) fn has_condition(request: &CertificateSigningRequest, kind: &str) -> bool {
    let conditions = &request.status.conditions;
    conditions
        .iter()
        .any(|condition| condition.type_ == kind && matches!(condition.status.as_str(), "" | "True"))
}

/// A kubelet's client certificate.
pub(super) fn kubelet_client(request: &SigningRequest, usages: &[String]) -> Result<(), String> {
    of_a_node(request)?;
    if !request.dns_names.is_empty() {
        return Err("DNS subjectAltNames are not allowed".to_owned());
    }
    if !request.email_addresses.is_empty() {
        return Err("Email subjectAltNames are not allowed".to_owned());
    }
    if !request.ip_addresses.is_empty() {
        return Err("IP subjectAltNames are not allowed".to_owned());
    }
    if !request.uris.is_empty() {
        return Err("URI subjectAltNames are not allowed".to_owned());
    }
    named_as_a_node(request)?;
    usages_match(usages, "client auth")
}

/// A kubelet's serving certificate.
pub(super) fn kubelet_serving(request: &SigningRequest, usages: &[String]) -> Result<(), String> {
    of_a_node(request)?;
    if request.dns_names.is_empty() && request.ip_addresses.is_empty() {
        return Err("DNS or IP subjectAltName is required".to_owned());
    }
    if !request.email_addresses.is_empty() {
        return Err("Email subjectAltNames are not allowed".to_owned());
    }
    if !request.uris.is_empty() {
        return Err("URI subjectAltNames are not allowed".to_owned());
    }
    usages_match(usages, "server auth")?;
    named_as_a_node(request)
}

fn of_a_node(request: &SigningRequest) -> Result<(), String> {
    if request.organizations == ["system:nodes"] {
        return Ok(());
    }
    Err("subject organization is not system:nodes".to_owned())
}

fn named_as_a_node(request: &SigningRequest) -> Result<(), String> {
    if request.common_name.starts_with("system:node:") {
        return Ok(());
    }
    Err("subject common name does not begin with system:node:".to_owned())
}

/// Digital signature and `purpose`, with or without key encipherment (only RSA needs it).
fn usages_match(usages: &[String], purpose: &str) -> Result<(), String> {
    let given: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    let mut wanted = BTreeSet::from(["digital signature", "key encipherment", purpose]);
    if given == wanted {
        return Ok(());
    }
    let all = wanted.iter().copied().collect::<Vec<_>>().join(" ");
    wanted.remove("key encipherment");
    if given == wanted { Ok(()) } else { Err(format!("usages did not match [{all}]")) }
}

fn api_server_client(_: &SigningRequest, usages: &[String]) -> Result<(), String> {
    let allowed = ["client auth", "digital signature", "key encipherment"];
    if let Some(bad) = usages.iter().find(|usage| !allowed.contains(&usage.as_str())) {
        return Err(format!("invalid usage for client certificate: {bad}"));
    }
    if !usages.iter().any(|usage| usage == "client auth") {
        return Err("missing required usage for client certificate: client auth".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use component_base::tls::{KeyAlgorithm, PrivateKey, Profile};
    use jiff::Timestamp;

    use super::*;

    /// A PEM request.
    pub(in super::super) fn pem(common_name: &str, organization: &str, dns: &[&str]) -> Vec<u8> {
        pem_with_addresses(common_name, organization, dns, &[])
    }

    /// A PEM request with IP addresses.
    pub(in super::super) fn pem_with_addresses(
        common_name: &str,
        organization: &str,
        dns: &[&str],
        addresses: &[&str],
    ) -> Vec<u8> {
        let epoch = Timestamp::UNIX_EPOCH;
        let profile = Profile::leaf(common_name, &[], epoch, epoch)
            .with_organizations([organization])
            .with_dns_names(dns.iter().copied())
            .with_ip_addresses(addresses.iter().map(|address| address.parse().expect("an address")));
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        SigningRequest::create(&profile, &key).expect("request").into_bytes()
    }

    fn check(
        signer: &str,
        name: &str,
        group: &str,
        dns: &[&str],
        usages: &[&str],
        expected: Result<(), &str>,
    ) {
        let request = SigningRequest::from_pem(&pem(name, group, dns)).expect("request");
        let usages: Vec<String> = usages.iter().map(|usage| (*usage).to_owned()).collect();
        let rule = SIGNERS.iter().find(|(known, _)| *known == signer).map(|(_, rule)| rule).expect("signer");
        assert_eq!(rule(&request, &usages), expected.map_err(str::to_owned));
    }

    #[test]
    fn each_signer_has_its_rules() {
        let (client, server) =
            (["client auth", "digital signature"], ["server auth", "digital signature", "key encipherment"]);
        let node = "system:node:n1";
        check(KUBELET_CLIENT, node, "system:nodes", &[], &client, Ok(()));
        check(KUBELET_CLIENT, node, "people", &[], &client, Err("subject organization is not system:nodes"));
        check(
            KUBELET_CLIENT,
            node,
            "system:nodes",
            &["n1"],
            &client,
            Err("DNS subjectAltNames are not allowed"),
        );
        check(
            KUBELET_CLIENT,
            "n1",
            "system:nodes",
            &[],
            &client,
            Err("subject common name does not begin with system:node:"),
        );
        check(
            KUBELET_CLIENT,
            node,
            "system:nodes",
            &[],
            &server,
            Err("usages did not match [client auth digital signature key encipherment]"),
        );
        check(KUBELET_SERVING, node, "system:nodes", &["n1"], &server, Ok(()));
        check(
            KUBELET_SERVING,
            node,
            "system:nodes",
            &[],
            &server,
            Err("DNS or IP subjectAltName is required"),
        );
        check(API_SERVER_CLIENT, "jane", "dev", &[], &client, Ok(()));
        check(
            API_SERVER_CLIENT,
            "jane",
            "dev",
            &[],
            &server,
            Err("invalid usage for client certificate: server auth"),
        );
        check(
            API_SERVER_CLIENT,
            "jane",
            "dev",
            &[],
            &[],
            Err("missing required usage for client certificate: client auth"),
        );
        check(LEGACY_UNKNOWN, "x", "y", &[], &server, Ok(()));
    }
}
