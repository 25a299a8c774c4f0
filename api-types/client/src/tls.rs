//! Turns the TLS part of a configuration into rustls', and notices when its files change.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::{Config, Source};
use crate::error::Error;

/// Where Linux distributions keep the authorities of the system; the first that exists counts.
const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What tells two versions of a file apart without reading it.
pub(crate) type Stamp = Option<(u64, u64, SystemTime)>;

/// The stamps of all files the TLS configuration is made of.
pub(crate) fn stamps(config: &Config) -> Vec<Stamp> {
    let identity = config.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    let sources = config.authorities.iter().chain(identity);
    sources
        .filter_map(|source| match source {
            Source::File(path) => Some(stamp(path)),
            Source::Inline(_) => None,
        })
        .collect()
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))
}

/// Certificate chain and key in PEM, as a credential plugin hands them out.
pub(crate) type PemIdentity = (Vec<u8>, Vec<u8>);

/// Builds the rustls configuration; `plugin` stands in for the configured identity.
pub(crate) fn client_config(
    config: &Config,
    plugin: Option<&PemIdentity>,
) -> Result<rustls::ClientConfig, Error> {
    let bad = |error: rustls::Error| Error::Config(format!("tls: {error}"));
    let provider = provider();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(bad)?;
    let builder = if config.verifies_server()? {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(config)?), provider)
            .build()
            .map_err(|error| Error::Config(format!("certificate-authority: {error}")))?;
        builder.with_webpki_verifier(verifier)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified { provider }))
    };
    let identity = match (plugin, &config.identity) {
        (Some(identity), _) => Some(identity.clone()),
        (None, Some((certificate, key))) => Some((certificate.read()?, key.read()?)),
        (None, None) => None,
    };
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("client-certificate", &certificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|error| Error::Config(format!("client-key: {error}")))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| Error::Config(format!("client-certificate and client-key: {error}")))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    rustls::crypto::CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Config(format!("{field}: {error}")))?;
    if found.is_empty() {
        return Err(Error::Config(format!("{field}: no CERTIFICATE block found")));
    }
    Ok(found)
}

fn roots(config: &Config) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match &config.authorities {
        Some(source) => {
            for certificate in certificates("certificate-authority", &source.read()?)? {
                roots
                    .add(certificate)
                    .map_err(|error| Error::Config(format!("certificate-authority: {error}")))?;
            }
        }
        None => {
            let found = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
            let Some(path) = found else {
                return Err(Error::Config(
                    "certificate-authority is not set and the system has no bundle of authorities".to_owned(),
                ));
            };
            let pem = Source::File(path.to_owned()).read()?;
            // Old authorities rustls cannot read are no reason to refuse the others.
            roots.add_parsable_certificates(certificates("system authorities", &pem)?);
        }
    }
    Ok(roots)
}

/// For users who said `--insecure-skip-tls-verify`: signatures are checked, the name and the issuer are not.
#[derive(Debug)]
struct Unverified {
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
