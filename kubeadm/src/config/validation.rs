//! The rules a complete configuration must keep, told all at once with upstream's field paths and texts.

use std::{net::IpAddr, path::Path as FilePath};

use ipnet::IpNet;
use machinery::{
    field::{self, Error, Path},
    names::{is_dns1123_subdomain, is_wildcard_dns1123_subdomain},
};

use super::{
    Configuration,
    tokens::Token,
    v1beta4::{
        ApiEndpoint, Arg, BootstrapToken, ClusterConfiguration, Discovery, Etcd, ExternalEtcd,
        JoinConfiguration, LocalEtcd, Networking, NodeRegistration,
    },
};
use crate::constants;

/// All broken rules of one configuration.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}")]
pub struct Invalid(String);

const ALGORITHMS: [&str; 5] = ["ECDSA-P256", "ECDSA-P384", "RSA-2048", "RSA-3072", "RSA-4096"];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const TOKEN_USAGES: [&str; 2] = ["authentication", "signing"];
/// A Service range needs room for the API server's and the DNS server's addresses.
const LEAST_SERVICE_ADDRESSES: u128 = 10;
const LEAST_POD_ADDRESSES: u128 = 14;
/// The API server keeps its address allocations as a bitmap of at most this many bits' worth.
const MOST_SERVICE_BITS: u8 = 20;
const MOST_NODE_MASK_DIFFERENCE: u8 = 16;

/// Checks the configuration of `init`.
pub fn init(configuration: &Configuration) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    let init = &configuration.init;
    node_registration(&init.node_registration, &Path::new("nodeRegistration"), &mut errors);
    bootstrap_tokens(&init.bootstrap_tokens, &Path::new("bootstrapTokens"), &mut errors);
    cluster(&configuration.cluster, &mut errors);
    api_endpoint(&init.local_api_endpoint, &Path::new("localAPIEndpoint"), &mut errors);
    certificate_key(&init.certificate_key, &Path::new("certificateKey"), &mut errors);
    finish(&errors)
}

/// Checks the configuration of `join`.
pub fn join(join: &JoinConfiguration) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    discovery(&join.discovery, &Path::new("discovery"), &mut errors);
    node_registration(&join.node_registration, &Path::new("nodeRegistration"), &mut errors);
    if let Some(control_plane) = &join.control_plane {
        let path = Path::new("controlPlane");
        api_endpoint(&control_plane.local_api_endpoint, &path.child("localAPIEndpoint"), &mut errors);
        certificate_key(&control_plane.certificate_key, &path.child("certificateKey"), &mut errors);
    }
    if !FilePath::new(&join.ca_cert_path).is_absolute() || !join.ca_cert_path.ends_with(".crt") {
        errors.push(Error::invalid(
            &Path::new("caCertPath"),
            join.ca_cert_path.as_str(),
            "the ca certificate path must be an absolute path",
        ));
    }
    finish(&errors)
}

/// Checks the names of preflight checks to ignore and brings them to lower case, without repetition.
pub fn ignored_checks(from_flags: &[String], from_file: &[String]) -> Result<Vec<String>, Invalid> {
    let mut names: Vec<String> = from_file.iter().chain(from_flags).map(|name| name.to_lowercase()).collect();
    names.sort();
    names.dedup();
    if names.len() > 1 && names.iter().any(|name| name == "all") {
        return finish(&[Error::invalid(
            &Path::new("ignore-preflight-errors"),
            names.join(","),
            "don't specify individual checks if 'all' is used",
        )])
        .map(|()| names);
    }
    Ok(names)
}

fn finish(errors: &[Error]) -> Result<(), Invalid> {
    if errors.is_empty() { Ok(()) } else { Err(Invalid(field::aggregate(errors))) }
}

fn cluster(cluster: &ClusterConfiguration, errors: &mut Vec<Error>) {
    if !cluster.dns.image_repository.is_empty() {
        image_repository(&cluster.dns.image_repository, &Path::of(&["dns", "imageRepository"]), errors);
    }
    networking(&cluster.networking, &cluster.controller_manager.extra_args, &Path::new("networking"), errors);
    alternative_names(&cluster.api_server.cert_sans, &Path::of(&["apiServer", "certSANs"]), errors);
    extra_args(&cluster.api_server.extra_args, &Path::of(&["apiServer", "extraArgs"]), errors);
    extra_args(
        &cluster.controller_manager.extra_args,
        &Path::of(&["controllerManager", "extraArgs"]),
        errors,
    );
    extra_args(&cluster.scheduler.extra_args, &Path::of(&["scheduler", "extraArgs"]), errors);
    absolute_path(&cluster.certificates_dir, &Path::new("certificatesDir"), errors);
    feature_gates(cluster, &Path::new("featureGates"), errors);
    let endpoint = &cluster.control_plane_endpoint;
    if !endpoint.is_empty() && parse_host_port(endpoint).is_none() {
        errors.push(Error::invalid(
            &Path::new("controlPlaneEndpoint"),
            endpoint.as_str(),
            "endpoint is not valid",
        ));
    }
    image_repository(&cluster.image_repository, &Path::new("imageRepository"), errors);
    etcd(&cluster.etcd, &Path::new("etcd"), errors);
    if !ALGORITHMS.contains(&cluster.encryption_algorithm.as_str()) {
        let given = cluster.encryption_algorithm.as_str();
        errors.push(Error::invalid(
            &Path::new("encryptionAlgorithm"),
            given,
            format!("Invalid encryption algorithm {given:?}. Must be one of [{}]", ALGORITHMS.join(" ")),
        ));
    }
    for (field, period) in [
        ("certificateValidityPeriod", cluster.certificate_validity_period),
        ("caCertificateValidityPeriod", cluster.ca_certificate_validity_period),
    ] {
        if let Some(period) = period
            && (period.is_zero() || period.is_negative())
        {
            errors.push(Error::invalid(&Path::new(field), period.to_string(), "must be greater than zero"));
        }
    }
}

/// Gates of upstream's kubeadm: what a value means here.
fn feature_gates(cluster: &ClusterConfiguration, path: &Path, errors: &mut Vec<Error>) {
    for (gate, enabled) in &cluster.feature_gates {
        let complaint = match (gate.as_str(), enabled) {
            ("NodeLocalCRISocket", true) | ("PublicKeysECDSA", _) | ("RootlessControlPlane", false) => {
                continue;
            }
            ("NodeLocalCRISocket", false) => {
                "cannot set feature gate NodeLocalCRISocket to false, feature is locked to true".to_owned()
            }
            ("RootlessControlPlane", true) => {
                "RootlessControlPlane is not supported: use pod user namespaces instead".to_owned()
            }
            _ => format!("{gate} is not a valid feature name."),
        };
        errors.push(Error::invalid(path, format!("{gate}={enabled}"), complaint));
    }
}

fn node_registration(node: &NodeRegistration, path: &Path, errors: &mut Vec<Error>) {
    for complaint in is_dns1123_subdomain(&node.name) {
        errors.push(Error::invalid(&path.child("name"), node.name.as_str(), complaint));
    }
    socket(&node.cri_socket, &path.child("criSocket"), errors);
    extra_args(&node.kubelet_extra_args, &path.child("kubeletExtraArgs"), errors);
    if !PULL_POLICIES.contains(&node.image_pull_policy.as_str()) {
        errors.push(Error::not_supported(
            &path.child("imagePullPolicy"),
            node.image_pull_policy.as_str(),
            PULL_POLICIES,
        ));
    }
    for (index, taint) in node.taints.iter().flatten().enumerate() {
        let path = path.child("taints").index(index);
        if taint.key.is_empty() {
            errors.push(Error::required(&path.child("key"), ""));
        }
        if !TAINT_EFFECTS.contains(&taint.effect.as_str()) {
            errors.push(Error::not_supported(&path.child("effect"), taint.effect.as_str(), TAINT_EFFECTS));
        }
    }
}

fn socket(socket: &str, path: &Path, errors: &mut Vec<Error>) {
    match socket.strip_prefix("unix://") {
        Some(file) if FilePath::new(file).is_absolute() => {}
        Some(_) => errors.push(Error::invalid(path, socket, "path is not absolute")),
        None => errors.push(Error::invalid(path, socket, "only URL scheme \"unix\" is supported")),
    }
}

fn bootstrap_tokens(tokens: &[BootstrapToken], path: &Path, errors: &mut Vec<Error>) {
    for (index, token) in tokens.iter().enumerate() {
        let path = path.index(index);
        if let Err(error) = token.token.parse::<Token>() {
            errors.push(Error::invalid(&path.child("token"), "<redacted>", error.to_string()));
        }
        for usage in &token.usages {
            if !TOKEN_USAGES.contains(&usage.as_str()) {
                errors.push(Error::not_supported(&path.child("usages"), usage.as_str(), TOKEN_USAGES));
            }
        }
        for group in &token.groups {
            if !is_bootstrap_group(group) {
                errors.push(Error::invalid(
                    &path.child("groups"),
                    group.as_str(),
                    "bootstrap group must match \"\\\\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\\\\z\"",
                ));
            }
        }
        if token.expires.is_some() && token.ttl.is_some() {
            errors.push(Error::invalid(
                &path,
                "",
                "the BootstrapToken .TTL and .Expires fields are mutually exclusive",
            ));
        }
        if let Some(expires) = &token.expires
            && expires.parse::<jiff::Timestamp>().is_err()
        {
            errors.push(Error::invalid(&path.child("expires"), expires.as_str(), "must be an RFC 3339 time"));
        }
    }
}

/// Whether a group may be given by a bootstrap token.
pub fn is_bootstrap_group(group: &str) -> bool {
    group.strip_prefix("system:bootstrappers:").is_some_and(|rest| {
        let characters =
            rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b':' || b == b'-');
        let end = rest.bytes().last().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        characters && end && rest.len() <= 256
    })
}

fn discovery(discovery: &Discovery, path: &Path, errors: &mut Vec<Error>) {
    match (&discovery.bootstrap_token, &discovery.file) {
        (None, None) => {
            errors.push(Error::invalid(path, "", "bootstrapToken or file must be set"));
        }
        (Some(_), Some(_)) => {
            errors.push(Error::invalid(path, "", "bootstrapToken and file cannot both be set"));
        }
        _ => {}
    }
    if let Some(token) = &discovery.bootstrap_token {
        let path = path.child("bootstrapToken");
        if let Err(error) = token.token.parse::<Token>() {
            errors.push(Error::invalid(&path.child("token"), "<redacted>", error.to_string()));
        }
        if token.ca_cert_hashes.is_empty() && !token.unsafe_skip_ca_verification {
            errors.push(Error::invalid(
                &path.child("caCertHashes"),
                "",
                "using token-based discovery without caCertHashes can be unsafe. Set unsafeSkipCAVerification as true in your kubeadm config file or pass --discovery-token-unsafe-skip-ca-verification flag to continue",
            ));
        }
        for hash in &token.ca_cert_hashes {
            let hex = hash.strip_prefix("sha256:");
            if !hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())) {
                errors.push(Error::invalid(
                    &path.child("caCertHashes"),
                    hash.as_str(),
                    "invalid public key hash, expected \"sha256:<64 hexadecimal digits>\"",
                ));
            }
        }
        if parse_host_port(&token.api_server_endpoint).is_none_or(|(_, port)| port.is_none()) {
            errors.push(Error::invalid(
                &path.child("apiServerEndpoint"),
                token.api_server_endpoint.as_str(),
                "address must be of the form host:port",
            ));
        }
    }
    if let Some(file) = &discovery.file {
        let given = file.kube_config_path.as_str();
        if !given.starts_with("https://") && !FilePath::new(given).is_absolute() {
            errors.push(Error::invalid(
                &path.child("file").child("kubeConfigPath"),
                given,
                "not a valid HTTPS URL or a file on disk",
            ));
        }
    }
    if !discovery.tls_bootstrap_token.is_empty()
        && let Err(error) = discovery.tls_bootstrap_token.parse::<Token>()
    {
        errors.push(Error::invalid(&path.child("tlsBootstrapToken"), "<redacted>", error.to_string()));
    }
}

fn api_endpoint(endpoint: &ApiEndpoint, path: &Path, errors: &mut Vec<Error>) {
    if endpoint.advertise_address.parse::<IpAddr>().is_err() {
        errors.push(Error::invalid(
            &path.child("advertiseAddress"),
            endpoint.advertise_address.as_str(),
            "ip address is not valid",
        ));
    }
    if !(1..=65535).contains(&endpoint.bind_port) {
        errors.push(Error::invalid(
            &path.child("bindPort"),
            i64::from(endpoint.bind_port),
            "port number is not valid",
        ));
    }
}

fn certificate_key(key: &str, path: &Path, errors: &mut Vec<Error>) {
    if key.is_empty() {
        return;
    }
    if !key.len().is_multiple_of(2) || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        errors.push(Error::invalid(path, "<redacted>", "certificate key decoding error: not hexadecimal"));
    } else if key.len() / 2 != constants::CERTIFICATE_KEY_SIZE {
        errors.push(Error::invalid(
            path,
            "<redacted>",
            format!(
                "invalid certificate key size {}, the key must be an AES key of size {}",
                key.len() / 2,
                constants::CERTIFICATE_KEY_SIZE
            ),
        ));
    }
}

fn networking(networking: &Networking, manager_args: &[Arg], path: &Path, errors: &mut Vec<Error>) {
    for complaint in is_dns1123_subdomain(&networking.dns_domain) {
        errors.push(Error::invalid(&path.child("dnsDomain"), networking.dns_domain.as_str(), complaint));
    }
    let service_path = path.child("serviceSubnet");
    for subnet in subnets(&networking.service_subnet, LEAST_SERVICE_ADDRESSES, &service_path, errors) {
        let bits = subnet.max_prefix_len();
        if bits - subnet.prefix_len() > MOST_SERVICE_BITS {
            errors.push(Error::invalid(
                &service_path,
                subnet.to_string(),
                format!(
                    "specified service subnet is too large; for {bits}-bit addresses, the mask must be >= {}",
                    bits - MOST_SERVICE_BITS
                ),
            ));
        }
    }
    if networking.pod_subnet.is_empty() {
        return;
    }
    let pod_path = path.child("podSubnet");
    let pods = subnets(&networking.pod_subnet, LEAST_POD_ADDRESSES, &pod_path, errors);
    if argument(manager_args, "allocate-node-cidrs") == Some("false") {
        return;
    }
    for subnet in pods {
        let (flag, default) = match subnet {
            IpNet::V4(_) => ("node-cidr-mask-size-ipv4", "24"),
            IpNet::V6(_) => ("node-cidr-mask-size-ipv6", "64"),
        };
        let size = argument(manager_args, flag).unwrap_or(default);
        let complaint = match size.parse::<u8>() {
            Err(_) => {
                format!("could not parse the value of the kube-controller-manager flag {flag} as an integer")
            }
            Ok(node) if subnet.prefix_len() > node => format!(
                "the size of pod subnet with mask {} is smaller than the size of node subnet with mask {node}",
                subnet.prefix_len()
            ),
            Ok(node) if node - subnet.prefix_len() > MOST_NODE_MASK_DIFFERENCE => format!(
                "pod subnet mask ({}) and node-mask ({node}) difference is greater than {MOST_NODE_MASK_DIFFERENCE}",
                subnet.prefix_len()
            ),
            Ok(_) => continue,
        };
        errors.push(Error::invalid(&pod_path, subnet.to_string(), complaint));
    }
}

/// Parses one range, or one of each family, and checks their sizes.
fn subnets(text: &str, least: u128, path: &Path, errors: &mut Vec<Error>) -> Vec<IpNet> {
    let Ok(parsed) = text.split(',').map(|part| part.trim().parse::<IpNet>()).collect::<Result<Vec<_>, _>>()
    else {
        errors.push(Error::invalid(path, text, "couldn't parse subnet"));
        return Vec::new();
    };
    let one_of_each =
        matches!(parsed.as_slice(), [IpNet::V4(_), IpNet::V6(_)] | [IpNet::V6(_), IpNet::V4(_)]);
    if parsed.len() > 1 && !one_of_each {
        errors.push(Error::invalid(
            path,
            text,
            "expected one (IPv4 or IPv6) CIDR or two CIDRs from each family for dual-stack networking",
        ));
    }
    for subnet in &parsed {
        let free_bits = u32::from(subnet.max_prefix_len() - subnet.prefix_len());
        let addresses = 1_u128.checked_shl(free_bits).unwrap_or(u128::MAX);
        if addresses < least {
            errors.push(Error::invalid(
                path,
                subnet.to_string(),
                format!("subnet with {addresses} address(es) is too small, the minimum is {least}"),
            ));
        }
    }
    parsed
}

fn etcd(etcd: &Etcd, path: &Path, errors: &mut Vec<Error>) {
    match (&etcd.local, &etcd.external) {
        (None, None) => {
            errors.push(Error::invalid(path, "", "either .Etcd.Local or .Etcd.External is required"));
        }
        (Some(_), Some(_)) => {
            errors.push(Error::invalid(path, "", ".Etcd.Local and .Etcd.External are mutually exclusive"));
        }
        (Some(local), None) => local_etcd(local, &path.child("local"), errors),
        (None, Some(external)) => external_etcd(external, &path.child("external"), errors),
    }
}

fn local_etcd(local: &LocalEtcd, path: &Path, errors: &mut Vec<Error>) {
    absolute_path(&local.data_dir, &path.child("dataDir"), errors);
    alternative_names(&local.server_cert_sans, &path.child("serverCertSANs"), errors);
    alternative_names(&local.peer_cert_sans, &path.child("peerCertSANs"), errors);
    if !local.image_repository.is_empty() {
        image_repository(&local.image_repository, &path.child("imageRepository"), errors);
    }
    extra_args(&local.extra_args, &path.child("extraArgs"), errors);
}

fn external_etcd(external: &ExternalEtcd, path: &Path, errors: &mut Vec<Error>) {
    let files =
        [("caFile", &external.ca_file), ("certFile", &external.cert_file), ("keyFile", &external.key_file)];
    let require_https = files.iter().any(|(_, file)| !file.is_empty());
    if external.cert_file.is_empty() != external.key_file.is_empty() {
        errors.push(Error::invalid(
            path,
            "",
            "either both or none of .Etcd.External.CertFile and .Etcd.External.KeyFile must be set",
        ));
    } else if !external.cert_file.is_empty() && external.ca_file.is_empty() {
        errors.push(Error::invalid(
            path,
            "",
            "setting .Etcd.External.CertFile and .Etcd.External.KeyFile requires .Etcd.External.CAFile",
        ));
    }
    if external.endpoints.is_empty() {
        errors.push(Error::invalid(&path.child("endpoints"), "", "at least one endpoint must be specified"));
    }
    urls(&external.endpoints, require_https, &path.child("endpoints"), errors);
    urls(&external.http_endpoints, false, &path.child("httpEndpoints"), errors);
    for (name, file) in files {
        if !file.is_empty() {
            absolute_path(file, &path.child(name), errors);
        }
    }
}

fn urls(urls: &[String], require_https: bool, path: &Path, errors: &mut Vec<Error>) {
    for url in urls {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if require_https && scheme != Some("https") {
            errors.push(Error::invalid(path, url.as_str(), "the URL must be using the HTTPS scheme"));
        } else if scheme.is_none() {
            errors.push(Error::invalid(path, url.as_str(), "the URL without scheme is not allowed"));
        }
    }
}

fn alternative_names(names: &[String], path: &Path, errors: &mut Vec<Error>) {
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            continue;
        }
        let (plain, wildcard) = (is_dns1123_subdomain(name), is_wildcard_dns1123_subdomain(name));
        if !plain.is_empty() && !wildcard.is_empty() {
            errors.push(Error::invalid(
                path,
                name.as_str(),
                format!(
                    "altname is not a valid IP address, DNS label or a DNS label with subdomain wildcards: {}; {}",
                    plain.join("; "),
                    wildcard.join("; ")
                ),
            ));
        }
    }
}

fn extra_args(args: &[Arg], path: &Path, errors: &mut Vec<Error>) {
    for (index, arg) in args.iter().enumerate() {
        if arg.name.is_empty() {
            errors.push(Error::invalid(path, index as i64, "argument has no name"));
        } else if arg.name.starts_with('-') {
            errors.push(Error::invalid(
                &path.index(index).child("name"),
                arg.name.as_str(),
                "must be the flag's name without leading dashes",
            ));
        }
    }
}

fn image_repository(repository: &str, path: &Path, errors: &mut Vec<Error>) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/:".contains(&byte);
    let host_may_be_upper = repository.bytes().enumerate().all(|(index, byte)| {
        allowed(byte)
            || (byte.is_ascii_uppercase() && index < repository.find('/').unwrap_or(repository.len()))
    });
    let empty_part = repository.split('/').any(str::is_empty);
    if repository.is_empty() || !host_may_be_upper || empty_part {
        errors.push(Error::invalid(path, repository, "invalid image repository format"));
    }
}

fn absolute_path(file: &str, path: &Path, errors: &mut Vec<Error>) {
    if !FilePath::new(file).is_absolute() {
        errors.push(Error::invalid(path, file, "path is not absolute"));
    }
}

/// The value of the last argument with a name.
pub fn argument<'a>(args: &'a [Arg], name: &str) -> Option<&'a str> {
    args.iter().rev().find(|arg| arg.name == name).map(|arg| arg.value.as_str())
}

/// Splits `host`, `host:port`, `ipv4:port` or `[ipv6]:port`; none when the host is neither an address nor a
/// DNS name or the port is none.
pub fn parse_host_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if text.parse::<std::net::Ipv6Addr>().is_ok() {
        (text, None)
    } else if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':')?)),
        }
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    let valid = host.parse::<IpAddr>().is_ok() || is_dns1123_subdomain(host).is_empty();
    valid.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests;
