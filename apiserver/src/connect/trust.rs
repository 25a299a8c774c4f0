//! What the server demands of the certificates of kubelets and workloads it calls.

use std::sync::Arc;

use component_base::tls::{CertificateFacts, provider};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Accepts a peer whose certificate stands on an authority of its own.
///
/// A kubelet makes its own authority and serving certificate when nobody gives it one, and a workload
/// behind a proxy serves what it likes; the API server, told of no authority, has nothing to check them
/// against (upstream checks nothing at all then). What can be demanded is demanded: the chain leads to the
/// last certificate the peer itself shows, is valid now, is meant for servers, and the peer holds its key.
/// With `--kubelet-certificate-authority` kubelets are verified in full and this is not used.
#[derive(Debug)]
pub struct OwnAuthority;

impl ServerCertVerifier for OwnAuthority {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let bad = |error: component_base::tls::TlsError| rustls::Error::General(error.to_string());
        let facts = CertificateFacts::from_der(leaf).map_err(bad)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if seconds < facts.not_before.as_second() {
            return Err(CertificateError::NotValidYet.into());
        }
        if seconds > facts.not_after.as_second() {
            return Err(CertificateError::Expired.into());
        }
        let Some((anchor, between)) = intermediates.split_last() else {
            // Alone, it must at least be signed by itself.
            facts.verify_signed_by(&facts).map_err(bad)?;
            return Ok(ServerCertVerified::assertion());
        };
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        // The chain is checked under a name the certificate has: which of its names is meant cannot be known.
        let own_name = facts
            .dns_names
            .iter()
            .cloned()
            .chain(facts.ip_addresses.iter().map(ToString::to_string))
            .find_map(|name| ServerName::try_from(name).ok())
            .ok_or(CertificateError::NotValidForName)?;
        verifier.verify_server_cert(leaf, between, &own_name, ocsp, now)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    fn verify(chain: &[CertificateDer<'_>]) -> bool {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
        let name = ServerName::try_from("10.0.0.1").unwrap();
        let (leaf, rest) = chain.split_first().unwrap();
        OwnAuthority.verify_server_cert(leaf, rest, &name, &[], now).is_ok()
    }

    fn params(name: &str, until: i32) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params
    }

    #[test]
    fn chains_must_hold_together() {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = params("node-ca", 2040);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap().der().clone();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = params("node", 2040).signed_by(&key, &issuer).unwrap().der().clone();
        let expired = params("node", 2021).signed_by(&key, &issuer).unwrap().der().clone();
        let alone = params("node", 2040).self_signed(&key).unwrap().der().clone();
        assert!(verify(&[leaf.clone(), ca_certificate.clone()]));
        assert!(verify(std::slice::from_ref(&alone)));
        assert!(!verify(std::slice::from_ref(&leaf)), "signed by someone who is not shown");
        assert!(!verify(&[leaf, alone.clone()]), "signed by another");
        assert!(!verify(&[expired, ca_certificate]));
    }
}
