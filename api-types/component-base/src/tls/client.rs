//! The calling side: roots and an identity that follow their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::reload::Reloaded;
use super::server::Identity;
use super::{TlsError, files, provider};

/// A verifier made from a bundle of authorities.
#[derive(Debug)]
pub struct ServerAuthorities {
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerAuthorities {
    /// From a PEM bundle.
    pub fn from_pem(pem: &[u8]) -> Result<ServerAuthorities, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in files::parse_certificates(pem)? {
            roots.add(certificate).map_err(|error| TlsError::Malformed {
                what: "certificate authority",
                message: error.to_string(),
            })?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::Config(error.to_string()))?;
        Ok(ServerAuthorities { verifier })
    }

    /// From a file, reloaded when it changes.
    pub fn from_file(path: &Path) -> Result<Reloaded<ServerAuthorities>, TlsError> {
        let path: PathBuf = path.to_owned();
        Reloaded::new(vec![path.clone()], move || {
            ServerAuthorities::from_pem(&files::read(&path)?).map_err(|error| files::in_file(&path, error))
        })
    }
}

/// A rustls configuration that verifies servers against `authorities` and presents `identity`; both
/// follow their files for new connections. `alpn` is best first.
pub fn client_config(
    authorities: Reloaded<ServerAuthorities>,
    identity: Option<Identity>,
    alpn: &[&str],
) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Config(error.to_string()))?
        // "Dangerous" only names the seam: the verifier below is rustls' own, chosen at each handshake.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NewestAuthorities { authorities }));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(NewestIdentity { identity })),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct NewestIdentity {
    identity: Identity,
}

impl ResolvesClientCert for NewestIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.identity.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct NewestAuthorities {
    authorities: Reloaded<ServerAuthorities>,
}

impl ServerCertVerifier for NewestAuthorities {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.authorities.current().verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.current().verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.current().verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.current().verifier.supported_verify_schemes()
    }
}
