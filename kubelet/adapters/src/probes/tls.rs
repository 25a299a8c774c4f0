//! TLS towards containers, whose certificates nobody has vouched for.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Makes TLS connections that accept every certificate.
#[derive(Clone)]
pub(super) struct Connector {
    inner: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new() -> Connector {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Anyone { provider: Arc::clone(&provider) });
        let builder = ClientConfig::builder_with_provider(provider);
        let config = match builder.with_protocol_versions(rustls::ALL_VERSIONS) {
            Ok(builder) => builder,
            Err(error) => unreachable!("the provider supports all versions: {error}"),
        };
        // The API's contract: the kubelet skips the verification of a probed container's certificate. Nothing but the
        // probe's own headers is sent, and the answer decides nothing but the container's health.
        let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Connector { inner: TlsConnector::from(Arc::new(config)) }
    }

    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        self.inner.connect(name, stream).await.map_err(|error| {
            let plain = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            match plain {
                Some(Error::InvalidMessage(_)) => {
                    "http: server gave HTTP response to HTTPS client".to_owned()
                }
                _ => super::dial::described(&error),
            }
        })
    }
}

/// Accepts who comes.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
