//! What is wrong with a combination of flags: all of it, in one list.

use super::Options;
use super::serving::SniPair;

/// The authorizers `--authorization-mode` can name.
pub const AUTHORIZATION_MODES: [&str; 4] = ["AlwaysAllow", "AlwaysDeny", "Node", "RBAC"];
/// The node addresses `--kubelet-preferred-address-types` can name.
const ADDRESS_TYPES: [&str; 5] = ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"];
/// Service networks may have this many bits for hosts.
const MAX_HOST_BITS: u8 = 20;

impl Options {
    /// Every broken rule, in upstream's words; empty when the server can start. `in_memory` servers
    /// need no etcd.
    pub fn broken_rules(&self, in_memory: bool) -> Vec<String> {
        let mut broken = Vec::new();
        let mut require = |holds: bool, text: &str| {
            if !holds {
                broken.push(text.to_string());
            }
        };
        let accounts = &self.authentication.service_account;
        require(in_memory || !self.etcd.etcd_servers.is_empty(), "--etcd-servers must be specified");
        require(
            self.etcd.etcd_certfile.is_some() == self.etcd.etcd_keyfile.is_some(),
            "--etcd-certfile and --etcd-keyfile must be specified together",
        );
        require(
            self.serving.tls_cert_file.is_some() == self.serving.tls_private_key_file.is_some(),
            "--tls-cert-file and --tls-private-key-file must be specified together",
        );
        require(
            self.kubelet.kubelet_client_certificate.is_some() == self.kubelet.kubelet_client_key.is_some(),
            "--kubelet-client-certificate and --kubelet-client-key must be specified together",
        );
        require(
            self.kubelet.kubelet_certificate_authority.is_none() || !self.kubelet.kubelet_insecure_tls,
            "--kubelet-certificate-authority and --kubelet-insecure-tls exclude each other",
        );
        require(
            self.kubelet.proxy_client_cert_file.is_some() == self.kubelet.proxy_client_key_file.is_some(),
            "--proxy-client-cert-file and --proxy-client-key-file must be specified together",
        );
        require(!accounts.issuers.is_empty(), "service-account-issuer is a required flag");
        require(
            accounts.signing_key_file.is_some(),
            "service-account-signing-key-file and service-account-issuer are required flags",
        );
        require(!accounts.key_files.is_empty(), "service-account-key-file is a required flag");
        let longest = accounts.max_token_expiration.as_secs();
        require(
            longest == 0 || (3600..=1 << 32).contains(&longest),
            "the service-account-max-token-expiration must be between 1 hour and 2^32 seconds",
        );
        let header = &self.authentication.request_header;
        require(
            header.proxy_ca_file.is_none() || !header.username_headers.is_empty(),
            "--requestheader-username-headers must be specified with --requestheader-client-ca-file",
        );
        require(
            self.audit.audit_log_path.is_none() || self.audit.audit_policy_file.is_some(),
            "--audit-log-path needs --audit-policy-file, without which nothing would be recorded",
        );
        require(
            self.audit.audit_policy_file.is_none() || self.audit.audit_log_path.is_some(),
            "--audit-policy-file needs --audit-log-path, without which there is nowhere to record",
        );
        require(!self.generic.request_timeout.is_zero(), "--request-timeout can not be 0");
        require(
            self.serving.secure_port != 0 || in_memory,
            "--secure-port 0 must be between 1 and 65535, inclusive. It cannot be turned off with 0",
        );
        self.check_lists(&mut broken);
        broken
    }

    fn check_lists(&self, broken: &mut Vec<String>) {
        let modes = &self.generic.authorization_mode;
        for (index, mode) in modes.iter().enumerate() {
            if !AUTHORIZATION_MODES.contains(&mode.as_str()) {
                broken.push(format!(
                    "authorization-mode {mode:?} is not a valid mode; supported are {}",
                    AUTHORIZATION_MODES.join(", ")
                ));
            }
            if modes[..index].contains(mode) {
                broken.push(format!("authorization-mode {modes:?} has mode specified more than once"));
            }
        }
        if modes.iter().all(|mode| mode.is_empty()) {
            broken.push("at least one authorization-mode must be passed".to_string());
        }
        let (enabled, disabled) =
            (&self.generic.enable_admission_plugins, &self.generic.disable_admission_plugins);
        broken.extend(apiserver_admission::select(enabled, disabled).err().unwrap_or_default());
        for wanted in &self.kubelet.kubelet_preferred_address_types {
            if !ADDRESS_TYPES.contains(&wanted.as_str()) {
                broken.push(format!(
                    "--kubelet-preferred-address-types has the unknown type {wanted:?}; known are {}",
                    ADDRESS_TYPES.join(", ")
                ));
            }
        }
        for issuer in &self.authentication.service_account.issuers {
            if issuer.contains(':') && http::Uri::try_from(issuer.as_str()).is_err() {
                broken.push(format!(
                    "service-account-issuer {issuer:?} contained a ':' but was not a valid URL"
                ));
            }
        }
        for pair in &self.serving.tls_sni_cert_key {
            if let Err(reason) = SniPair::parse(pair) {
                broken.push(format!("--tls-sni-cert-key {reason}"));
            }
        }
        let ranges = &self.generic.service_cluster_ip_range;
        if ranges.len() > 2 {
            broken.push("--service-cluster-ip-range must not contain more than two entries".to_string());
        }
        if let [first, second] = ranges.as_slice()
            && first.0.addr().is_ipv4() == second.0.addr().is_ipv4()
        {
            broken.push(
                "--service-cluster-ip-range and --secondary-service-cluster-ip-range must be of different IP family"
                    .to_string(),
            );
        }
        for range in ranges {
            let host_bits = range.0.max_prefix_len() - range.0.prefix_len();
            if range.0.addr().is_ipv4() && host_bits > MAX_HOST_BITS {
                broken.push(format!(
                    "specified --service-cluster-ip-range is too large; for {}-bit addresses, the mask must be >= {}",
                    range.0.max_prefix_len(),
                    range.0.max_prefix_len() - MAX_HOST_BITS
                ));
            }
        }
    }
}
