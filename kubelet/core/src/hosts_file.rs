//! The `/etc/hosts` of a pod, and its host name.

use api_types::core::v1::{HostAlias, Pod};

const HEADER: &str = "# Kubernetes-managed hosts file.\n";
const HEADER_HOST_NETWORK: &str = "# Kubernetes-managed hosts file (host network).\n";
const LOCAL: &str = "127.0.0.1\tlocalhost\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::0\tip6-localnet\n\
                     fe00::0\tip6-mcastprefix\n\
                     fe00::1\tip6-allnodes\n\
                     fe00::2\tip6-allrouters\n";
/// Longest host name of the Linux kernel, in bytes.
const MAX_HOSTNAME_BYTES: usize = 63;
/// Longest node name field of the kernel, in bytes.
const MAX_FQDN_BYTES: usize = 64;

/// A host name that cannot be given to a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    #[error("pod Hostname {0:?} is not a valid DNS label")]
    Hostname(String),
    #[error("pod Subdomain {0:?} is not a valid DNS label")]
    Subdomain(String),
    #[error("pod HostnameOverride {0:?} is not a valid DNS subdomain")]
    Override(String),
    #[error("hostname for pod {0:?} is invalid: {1:?}")]
    Truncated(String, String),
    #[error(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long ({MAX_FQDN_BYTES} \
         characters is the max, {length} characters requested)"
    )]
    TooLong { fqdn: String, length: usize },
}

/// A pod's host name and domain (empty without a subdomain).
pub fn host_name(pod: &Pod, cluster_domain: &str) -> Result<(String, String), HostNameError> {
    if let Some(name) = &pod.spec.hostname_override {
        if !name.split('.').all(is_label) {
            return Err(HostNameError::Override(name.clone()));
        }
        return Ok((truncated(pod, name)?, String::new()));
    }
    let name = if pod.spec.hostname.is_empty() {
        &pod.metadata.name
    } else {
        if !is_label(&pod.spec.hostname) {
            return Err(HostNameError::Hostname(pod.spec.hostname.clone()));
        }
        &pod.spec.hostname
    };
    let name = truncated(pod, name)?;
    let subdomain = &pod.spec.subdomain;
    if subdomain.is_empty() {
        return Ok((name, String::new()));
    }
    if !is_label(subdomain) {
        return Err(HostNameError::Subdomain(subdomain.clone()));
    }
    Ok((name, format!("{subdomain}.{}.svc.{cluster_domain}", pod.metadata.namespace)))
}

/// The name the kernel shows in a pod: with the domain when `setHostnameAsFQDN` asks for it.
pub fn kernel_host_name(pod: &Pod, name: &str, domain: &str) -> Result<String, HostNameError> {
    if domain.is_empty() || pod.spec.set_hostname_as_fqdn != Some(true) {
        return Ok(name.to_owned());
    }
    let fqdn = format!("{name}.{domain}");
    if fqdn.len() > MAX_FQDN_BYTES {
        let length = fqdn.len();
        return Err(HostNameError::TooLong { fqdn, length });
    }
    Ok(fqdn)
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Pod names may be longer than host names.
fn truncated(pod: &Pod, name: &str) -> Result<String, HostNameError> {
    let Some(cut) = name.get(..MAX_HOSTNAME_BYTES) else { return Ok(name.to_owned()) };
    let cut = cut.trim_end_matches(['-', '.']);
    if cut.is_empty() {
        return Err(HostNameError::Truncated(pod.metadata.name.clone(), name.to_owned()));
    }
    Ok(cut.to_owned())
}

/// The managed file of a pod with its own network.
pub fn managed(ips: &[String], name: &str, domain: &str, aliases: &[HostAlias]) -> String {
    let mut text = format!("{HEADER}{LOCAL}");
    for ip in ips {
        if domain.is_empty() {
            text.push_str(&format!("{ip}\t{name}\n"));
        } else {
            text.push_str(&format!("{ip}\t{name}.{domain}\t{name}\n"));
        }
    }
    text + &alias_lines(aliases)
}

/// The managed file of a pod on the host's network: the host's own, and the aliases.
pub fn of_host(host_file: &str, aliases: &[HostAlias]) -> String {
    format!("{HEADER_HOST_NETWORK}{host_file}{}", alias_lines(aliases))
}

fn alias_lines(aliases: &[HostAlias]) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let mut text = "\n# Entries added by HostAliases.\n".to_owned();
    for alias in aliases {
        text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, hostname: &str, subdomain: &str, expected: Result<(&str, &str), &str>| {
            let mut pod = Pod::default();
            pod.metadata.name = name.into();
            pod.metadata.namespace = "work".into();
            pod.spec.hostname = hostname.into();
            pod.spec.subdomain = subdomain.into();
            assert_eq!(
                host_name(&pod, "cluster.local").map_err(|error| error.to_string()),
                expected.map(|(a, b)| (a.to_owned(), b.to_owned())).map_err(str::to_owned)
            );
        };
        check("web", "", "", Ok(("web", "")));
        check("web", "db", "sub", Ok(("db", "sub.work.svc.cluster.local")));
        check("web", "Bad", "", Err("pod Hostname \"Bad\" is not a valid DNS label"));
        check(&format!("{}-b", "a".repeat(62)), "", "", Ok((&"a".repeat(62), "")));
    }

    #[test]
    fn managed_file() {
        let aliases = [HostAlias { ip: "1.2.3.4".into(), hostnames: vec!["a".into(), "b".into()] }];
        let text = managed(&["10.0.0.7".into()], "web", "sub.work.svc.cluster.local", &aliases);
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\t"));
        assert!(text.ends_with(
            "10.0.0.7\tweb.sub.work.svc.cluster.local\tweb\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"
        ));
    }
}
