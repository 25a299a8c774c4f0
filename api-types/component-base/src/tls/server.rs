//! The serving side: an identity that follows its files, and what is asked of clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::inspect::CertificateFacts;
use super::reload::Reloaded;
use super::{TlsError, files, provider};

/// A certificate chain with its key, ready to serve or to present.
pub type Identity = Reloaded<CertifiedKey>;

/// Builds a chain and key, refusing a pair that does not match.
pub fn certified_key(certificates: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = files::parse_certificates(certificates)?;
    let key = files::parse_key(key)?;
    let signer =
        provider().key_provider.load_private_key(key).map_err(|error| TlsError::Key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => {
            let name = certified.cert.first().and_then(|leaf| CertificateFacts::from_der(leaf).ok());
            Err(TlsError::Mismatch(name.map(|facts| facts.common_name).unwrap_or_default()))
        }
    }
}

/// An identity read from two PEM files (they may be one) and reloaded when they change.
pub fn identity_from_files(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    Reloaded::new(vec![certificate.clone(), key.clone()], move || {
        certified_key(&files::read(&certificate)?, &files::read(&key)?)
            .map_err(|error| files::in_file(&certificate, error))
    })
}

/// A bundle of authorities that client certificates are checked against.
pub struct ClientAuthorities {
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for ClientAuthorities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientAuthorities").field("certificates", &self.certificates.len()).finish()
    }
}

impl ClientAuthorities {
    /// From a PEM bundle.
    pub fn from_pem(pem: &[u8]) -> Result<ClientAuthorities, TlsError> {
        let certificates = files::parse_certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| TlsError::Malformed {
                what: "certificate authority",
                message: error.to_string(),
            })?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::Config(error.to_string()))?;
        Ok(ClientAuthorities { verifier, certificates })
    }

    /// From a file, reloaded when it changes.
    pub fn from_file(path: &Path) -> Result<Reloaded<ClientAuthorities>, TlsError> {
        let path = path.to_owned();
        Reloaded::new(vec![path.clone()], move || {
            ClientAuthorities::from_pem(&files::read(&path)?).map_err(|error| files::in_file(&path, error))
        })
    }

    /// Verifies a presented chain (leaf first) for client authentication at `now`: path, times, usage.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: jiff::Timestamp,
    ) -> Result<CertificateFacts, TlsError> {
        let (leaf, intermediates) = chain.split_first().ok_or_else(|| TlsError::Untrusted {
            subject: String::new(),
            reason: "no certificate was presented".to_owned(),
        })?;
        let facts = CertificateFacts::from_der(leaf)?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        self.verifier.verify_client_cert(leaf, intermediates, now).map_err(|error| TlsError::Untrusted {
            subject: facts.common_name.clone(),
            reason: error.to_string(),
        })?;
        Ok(facts)
    }

    /// The bundle.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

/// What the handshake asks of clients.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// Nothing.
    #[default]
    None,
    /// A certificate is asked for and its possession proven, but whom it is trusted for is decided per
    /// request with [`ClientAuthorities::verify`]: a foreign certificate gives 401, as upstream does, and
    /// not a broken connection.
    Request,
    /// Only clients with a certificate of these authorities get in.
    Require(Reloaded<ClientAuthorities>),
}

/// How a server presents itself.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Shown to clients that ask for no name, or for one nobody in `by_name` has.
    pub identity: Identity,
    /// `--tls-sni-cert-key`: identities for host names (`*.example.com` covers one label).
    pub by_name: Vec<(Vec<String>, Identity)>,
    /// What is asked of clients.
    pub clients: ClientCertificates,
    /// Protocols offered, best first.
    pub alpn: Vec<&'static str>,
    /// `--tls-min-version` is VersionTLS13.
    pub only_tls13: bool,
    /// `--tls-cipher-suites` in IANA names; empty for the default list.
    pub cipher_suites: Vec<String>,
}

impl ServerOptions {
    /// HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3, no client certificates.
    pub fn new(identity: Identity) -> ServerOptions {
        ServerOptions {
            identity,
            by_name: Vec::new(),
            clients: ClientCertificates::None,
            alpn: vec!["h2", "http/1.1"],
            only_tls13: false,
            cipher_suites: Vec::new(),
        }
    }

    /// Asks clients for certificates.
    pub fn with_clients(mut self, clients: ClientCertificates) -> ServerOptions {
        self.clients = clients;
        self
    }
}

/// Builds the rustls configuration.
pub fn server_config(options: &ServerOptions) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let config = |error: rustls::Error| TlsError::Config(error.to_string());
    let versions: &[&rustls::SupportedProtocolVersion] =
        if options.only_tls13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let provider = restricted_provider(&options.cipher_suites)?;
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(config)?;
    let builder = match &options.clients {
        ClientCertificates::None => builder.with_no_client_auth(),
        ClientCertificates::Request => builder.with_client_cert_verifier(Arc::new(AskOnly)),
        ClientCertificates::Require(authorities) => {
            builder.with_client_cert_verifier(Arc::new(RequireTrusted { authorities: authorities.clone() }))
        }
    };
    let resolver = ByName { default: options.identity.clone(), by_name: options.by_name.clone() };
    let mut server = builder.with_cert_resolver(Arc::new(resolver));
    server.alpn_protocols = options.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(server))
}

/// The provider with only the named cipher suites (TLS 1.3 ones cannot be chosen, as upstream).
fn restricted_provider(names: &[String]) -> Result<Arc<rustls::crypto::CryptoProvider>, TlsError> {
    let whole = provider();
    if names.is_empty() {
        return Ok(whole);
    }
    let mut chosen = rustls::crypto::CryptoProvider::clone(&whole);
    chosen.cipher_suites.retain(|suite| suite.tls13().is_some());
    for name in names {
        // Go knows the ChaCha suites also without the hash in their name.
        let known = whole.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).find(|suite| {
            let ours = format!("{:?}", suite.suite());
            ours == *name || ours.strip_suffix("_SHA256") == Some(name.as_str())
        });
        let Some(suite) = known else {
            let supported = whole.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite()));
            return Err(TlsError::Config(format!(
                "cipher suite {name} not supported or doesn't exist; supported: {}",
                supported.collect::<Vec<_>>().join(", ")
            )));
        };
        chosen.cipher_suites.push(*suite);
    }
    Ok(Arc::new(chosen))
}

/// Picks the identity for the name a client asks for.
#[derive(Debug)]
struct ByName {
    default: Identity,
    by_name: Vec<(Vec<String>, Identity)>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = hello.server_name().and_then(|wanted| {
            self.by_name.iter().find(|(names, _)| names.iter().any(|name| name_covers(name, wanted)))
        });
        Some(chosen.map_or(&self.default, |(_, identity)| identity).current())
    }
}

fn name_covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    rustls::crypto::verify_tls12_signature(
        message,
        certificate,
        signed,
        &provider().signature_verification_algorithms,
    )
}

fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    rustls::crypto::verify_tls13_signature(
        message,
        certificate,
        signed,
        &provider().signature_verification_algorithms,
    )
}

/// Proves possession of the key; trust is decided per request.
#[derive(Debug)]
struct AskOnly;

impl ClientCertVerifier for AskOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Lets in only who is trusted by the newest bundle.
#[derive(Debug)]
struct RequireTrusted {
    authorities: Reloaded<ClientAuthorities>,
}

impl ClientCertVerifier for RequireTrusted {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The bundle can change, a borrowed list cannot follow it; no hint means "send what you have".
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.authorities.current().verifier.verify_client_cert(leaf, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// An identity for a server that was given none: a self-signed authority and a leaf for `names`, kept in
/// `folder` as `<pair>.crt` and `<pair>.key` as upstream's `--cert-dir` does.
pub fn self_made_identity(
    folder: &Path,
    pair: &str,
    names: &[String],
    addresses: &[std::net::IpAddr],
    now: jiff::Timestamp,
) -> Result<Identity, TlsError> {
    use super::{Authority, ExtendedUsage, KeyAlgorithm, Profile};
    let (certificate, key): (PathBuf, PathBuf) =
        (folder.join(format!("{pair}.crt")), folder.join(format!("{pair}.key")));
    if !(certificate.exists() && key.exists()) {
        let host = names.first().map_or(pair, String::as_str);
        // Upstream back-dates by an hour against clocks that differ, and makes it last a year.
        let (start, end) =
            (now - jiff::SignedDuration::from_hours(1), now + jiff::SignedDuration::from_hours(24 * 365));
        let ca = Authority::create(
            &Profile::authority(&format!("{host}-ca@{}", now.as_second()), start, end),
            KeyAlgorithm::EcdsaP256,
        )?;
        let profile =
            Profile::leaf(&format!("{host}@{}", now.as_second()), &[ExtendedUsage::ServerAuth], start, end)
                .with_dns_names(names.iter().cloned())
                .with_ip_addresses(addresses.iter().copied());
        let (leaf, leaf_key) = ca.issue(&profile, KeyAlgorithm::EcdsaP256)?;
        files::write_private(&key, leaf_key.to_pem().as_bytes())?;
        files::write_public(&certificate, format!("{leaf}{}", ca.certificate_pem()).as_bytes())?;
    }
    identity_from_files(&certificate, &key)
}
