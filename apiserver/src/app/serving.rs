//! The listener and its TLS.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use component_base::Shutdown;
use component_base::tls::CertificateFacts;
use component_base::tls::server::{
    ClientCertificates, Identity, ServerOptions, identity_from_files, self_made_identity, server_config,
};
use http::HeaderValue;
use tokio::net::TcpListener;

use crate::options::ServingOptions;
use crate::options::serving::SniPair;

/// Opens the port.
pub async fn listen(options: &ServingOptions) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(options.bind_address, options.secure_port);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address} (--bind-address, --secure-port)"))
}

/// The address others reach us at: as told, or the source address of the default route.
pub fn advertise_address(options: &ServingOptions) -> anyhow::Result<IpAddr> {
    if let Some(address) = options.advertise_address {
        if address.is_unspecified() {
            bail!("--advertise-address {address} cannot be reached by others");
        }
        return Ok(address);
    }
    if !options.bind_address.is_unspecified() {
        return Ok(options.bind_address);
    }
    // Connecting a UDP socket sends nothing, but makes the kernel choose the source address.
    let (local, far) = if options.bind_address.is_ipv6() {
        ("[::]:0", "[2001:db8::1]:9")
    } else {
        ("0.0.0.0:0", "192.0.2.1:9")
    };
    let socket = UdpSocket::bind(local)?;
    let chosen = socket.connect(far).and_then(|()| socket.local_addr());
    match chosen {
        Ok(address) => Ok(address.ip()),
        Err(error) => {
            bail!("no default route to find an address to advertise ({error}); give --advertise-address")
        }
    }
}

/// The TLS configuration; certificates are read again when their files change.
pub fn tls(
    options: &ServingOptions,
    advertise_address: IpAddr,
    loops: &Shutdown,
) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let identity = match (&options.tls_cert_file, &options.tls_private_key_file) {
        (Some(certificate), Some(key)) => identity_from_files(certificate, key).context("--tls-cert-file")?,
        _ => self_made(options, advertise_address)?,
    };
    identity.keep_fresh(loops);
    let mut server = ServerOptions::new(identity).with_clients(ClientCertificates::Request);
    server.only_tls13 = options.tls_min_version == "VersionTLS13";
    server.cipher_suites = options.tls_cipher_suites.clone();
    for pair in &options.tls_sni_cert_key {
        let pair = SniPair::parse(pair).map_err(|reason| anyhow::anyhow!("--tls-sni-cert-key {reason}"))?;
        let identity = identity_from_files(&pair.certificate, &pair.key).context("--tls-sni-cert-key")?;
        identity.keep_fresh(loops);
        let names = if pair.names.is_empty() { names_of(&pair)? } else { pair.names };
        server.by_name.push((names, identity));
    }
    Ok(server_config(&server)?)
}

fn self_made(options: &ServingOptions, advertise_address: IpAddr) -> anyhow::Result<Identity> {
    let names: Vec<String> = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    .map(str::to_string)
    .to_vec();
    let mut addresses = vec![IpAddr::from([127, 0, 0, 1]), advertise_address];
    addresses.dedup();
    std::fs::create_dir_all(&options.cert_dir)
        .with_context(|| format!("--cert-dir {}", options.cert_dir.display()))?;
    let now = jiff::Timestamp::now();
    Ok(self_made_identity(&options.cert_dir, "apiserver", &names, &addresses, now)?)
}

fn names_of(pair: &SniPair) -> anyhow::Result<Vec<String>> {
    let facts = CertificateFacts::from_file(&pair.certificate)?;
    let names = if facts.dns_names.is_empty() { vec![facts.common_name] } else { facts.dns_names };
    Ok(names)
}

/// The `Strict-Transport-Security` header, if any.
pub fn hsts(options: &ServingOptions) -> anyhow::Result<Option<HeaderValue>> {
    let directives = &options.strict_transport_security_directives;
    if directives.is_empty() {
        return Ok(None);
    }
    for directive in directives {
        let known = matches!(directive.as_str(), "includeSubDomains" | "preload")
            || directive.strip_prefix("max-age=").is_some_and(|age| age.parse::<u64>().is_ok());
        if !known {
            bail!(
                "--strict-transport-security-directives: invalid directive {directive:?}; expected max-age=<seconds>, includeSubDomains or preload"
            );
        }
    }
    Ok(Some(HeaderValue::from_str(&directives.join("; "))?))
}
