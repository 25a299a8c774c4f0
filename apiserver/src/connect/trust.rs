//! Peers whose certificates the server does not judge, and why it may be so.

use component_base::tls::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Accepts any certificate whose key the peer holds. Nothing stands here by default; it is for
///
/// - proxies to pods and services under the scheme `https:`. The user who names the scheme knows the workload, which
///   serves what it likes: its authority, if it has one, is nothing that the cluster knows, and the address it is
///   called at stands in no certificate. Upstream asks nothing either. No credentials are sent: the user's are taken
///   off the request and no client certificate is shown.
/// - logs for which a user sets `insecureSkipTLSVerifyBackend`, to read the log of a kubelet whose certificate is bad.
/// - kubelets of a server started with `--kubelet-insecure-tls`, as clusters of upstream's kubeadm need it, where
///   kubelets make themselves certificates that nobody can verify.
#[derive(Debug)]
pub struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
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
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
