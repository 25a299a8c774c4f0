//! A certificate authority: makes itself, signs profiles and requests.

use std::path::Path;

use super::certificate::{Body, ExtendedUsage, Profile, Usage, build, key_identifier};
use super::inspect::CertificateFacts;
use super::key::{KeyAlgorithm, PrivateKey};
use super::request::SigningRequest;
use super::{TlsError, files};

/// A certificate that may sign, with its key.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateFacts,
    key: PrivateKey,
}

/// What the signer adds to a request.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Key usages of the certificate.
    pub usages: Vec<Usage>,
    /// Extended key usages of the certificate.
    pub extended_usages: Vec<ExtendedUsage>,
    /// First second of validity.
    pub not_before: jiff::Timestamp,
    /// Last second of validity; cut to the authority's own.
    pub not_after: jiff::Timestamp,
}

impl Authority {
    /// Makes a self-signed authority with a new key.
    pub fn create(profile: &Profile, algorithm: KeyAlgorithm) -> Result<Authority, TlsError> {
        let key = PrivateKey::generate(algorithm)?;
        let certificate = self_signed(profile, &key)?;
        Ok(Authority { certificate: CertificateFacts::from_der(&certificate)?, key })
    }

    /// From PEM texts; refuses a certificate that is no CA, or a key of another.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Authority, TlsError> {
        let certificate = CertificateFacts::first_from_pem(certificate)?;
        let key = PrivateKey::from_pem(key)?;
        if !certificate.is_ca {
            return Err(TlsError::Profile {
                field: "basicConstraints",
                value: certificate.common_name,
                rule: "certificate is not a certificate authority",
            });
        }
        if certificate.public_key != key.public_der() {
            return Err(TlsError::Mismatch(certificate.common_name));
        }
        Ok(Authority { certificate, key })
    }

    /// From two files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Authority, TlsError> {
        let (certificate_pem, key_pem) = (files::read(certificate)?, files::read(key)?);
        Authority::from_pem(&certificate_pem, &key_pem).map_err(|error| files::in_file(certificate, error))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateFacts {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        files::certificate_pem(&self.certificate.der)
    }

    /// The key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Signs `profile` for the public half of `key`; the result is PEM.
    pub fn sign_profile(&self, profile: &Profile, key: &PrivateKey) -> Result<String, TlsError> {
        let names = profile.alternative_names()?;
        let certificate = build(
            &Body {
                issuer: &self.certificate.subject_der,
                subject: &profile.subject(),
                public_key: &key.public_der(),
                not_before: profile.not_before,
                not_after: profile.not_after,
                usages: &profile.usages,
                extended_usages: &profile.extended_usages,
                is_ca: profile.is_ca,
                alternative_names: names.as_deref(),
                authority_key_id: Some(&self.key_id()),
            },
            &self.key,
        )?;
        Ok(files::certificate_pem(&certificate))
    }

    /// Makes a key and a certificate for `profile`: (certificate PEM, key).
    pub fn issue(
        &self,
        profile: &Profile,
        algorithm: KeyAlgorithm,
    ) -> Result<(String, PrivateKey), TlsError> {
        let key = PrivateKey::generate(algorithm)?;
        Ok((self.sign_profile(profile, &key)?, key))
    }

    /// Signs a request: subject, alternative names and public key are the request's byte for byte, the
    /// rest is `terms`. The result is PEM.
    pub fn sign_request(&self, request: &SigningRequest, terms: &Terms) -> Result<String, TlsError> {
        if terms.not_before > self.certificate.not_after {
            return Err(TlsError::Profile {
                field: "notAfter",
                value: self.certificate.not_after.to_string(),
                rule: "the signer has expired",
            });
        }
        let certificate = build(
            &Body {
                issuer: &self.certificate.subject_der,
                subject: &request.subject_der,
                public_key: &request.public_key,
                not_before: terms.not_before,
                not_after: terms.not_after.min(self.certificate.not_after),
                usages: &terms.usages,
                extended_usages: &terms.extended_usages,
                is_ca: false,
                alternative_names: request.alternative_names_der.as_deref(),
                authority_key_id: Some(&self.key_id()),
            },
            &self.key,
        )?;
        Ok(files::certificate_pem(&certificate))
    }

    /// The identifier the authority's own certificate states, else the one computed from its key.
    fn key_id(&self) -> Vec<u8> {
        match &self.certificate.subject_key_id {
            Some(stated) => stated.clone(),
            None => key_identifier(&self.certificate.public_key),
        }
    }
}

/// A certificate signed by its own key (an authority, or a stop-gap server certificate); DER.
pub fn self_signed(profile: &Profile, key: &PrivateKey) -> Result<Vec<u8>, TlsError> {
    let (subject, public_key, names) = (profile.subject(), key.public_der(), profile.alternative_names()?);
    build(
        &Body {
            issuer: &subject,
            subject: &subject,
            public_key: &public_key,
            not_before: profile.not_before,
            not_after: profile.not_after,
            usages: &profile.usages,
            extended_usages: &profile.extended_usages,
            is_ca: profile.is_ca,
            alternative_names: names.as_deref(),
            authority_key_id: None,
        },
        key,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(count: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + count * 86_400).expect("in range")
    }

    fn authority() -> Authority {
        Authority::create(&Profile::authority("kubernetes", days(0), days(3650)), KeyAlgorithm::EcdsaP256)
            .expect("authority")
    }

    #[test]
    fn a_leaf_says_what_its_profile_says() {
        let authority = authority();
        let profile = Profile::leaf("kube-apiserver", &[ExtendedUsage::ServerAuth], days(0), days(365))
            .with_organizations(["b", "a"])
            .with_dns_names(["kubernetes.default.svc"])
            .with_ip_addresses(["10.96.0.1".parse().expect("ip"), "fd00::1".parse().expect("ip")]);
        let (pem, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).expect("signed");
        let facts = CertificateFacts::first_from_pem(pem.as_bytes()).expect("parsed");
        assert_eq!(facts.common_name, "kube-apiserver");
        assert_eq!(facts.organizations, ["a", "b"]);
        assert_eq!(facts.dns_names, profile.dns_names);
        assert_eq!(facts.ip_addresses, profile.ip_addresses);
        assert_eq!(facts.usages, profile.usages);
        assert_eq!(facts.extended_usages, profile.extended_usages);
        assert_eq!((facts.not_before, facts.not_after), (days(0), days(365)));
        assert!(!facts.is_ca);
        assert_eq!(facts.public_key, key.public_der());
        facts.verify_signed_by(authority.certificate()).expect("signed by its authority");
        assert!(facts.verify_signed_by(self::authority().certificate()).is_err());
    }

    #[test]
    fn an_authority_survives_its_files() {
        let made = authority();
        assert!(made.certificate().is_ca);
        let read = Authority::from_pem(made.certificate_pem().as_bytes(), made.key().to_pem().as_bytes())
            .expect("read back");
        assert_eq!(read.certificate().der, made.certificate().der);
        let other = authority();
        let error = Authority::from_pem(made.certificate_pem().as_bytes(), other.key().to_pem().as_bytes())
            .expect_err("foreign key");
        assert_eq!(error.to_string(), "private key does not match the certificate of \"kubernetes\"");
    }

    #[test]
    fn a_request_keeps_its_names_and_gets_the_signers_terms() {
        let authority = authority();
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let profile = Profile::leaf("system:node:n1", &[], days(0), days(0))
            .with_organizations(["system:nodes", "second"])
            .with_dns_names(["n1"]);
        let pem = SigningRequest::create(&profile, &key).expect("request");
        let request = SigningRequest::from_pem(pem.as_bytes()).expect("parsed");
        let terms = Terms {
            usages: vec![Usage::DigitalSignature],
            extended_usages: vec![ExtendedUsage::ClientAuth],
            not_before: days(1),
            not_after: days(9999),
        };
        let signed = authority.sign_request(&request, &terms).expect("signed");
        let facts = CertificateFacts::first_from_pem(signed.as_bytes()).expect("parsed");
        assert_eq!(facts.organizations, ["second", "system:nodes"]);
        assert_eq!(facts.dns_names, ["n1"]);
        assert_eq!(facts.not_after, authority.certificate().not_after);
        assert_eq!(facts.extended_usages, terms.extended_usages);
        let late = Terms { not_before: days(4000), ..terms };
        assert!(authority.sign_request(&request, &late).is_err());
    }

    #[test]
    fn every_key_algorithm_signs() {
        for (name, algorithm) in KeyAlgorithm::ALL.into_iter().filter(|(name, _)| *name != "RSA-4096") {
            let profile = Profile::authority(name, days(0), days(1));
            let authority = Authority::create(&profile, algorithm).expect(name);
            authority.certificate().verify_signed_by(authority.certificate()).expect(name);
            let key = PrivateKey::from_pem(authority.key().to_pem().as_bytes()).expect(name);
            assert_eq!(key.public_der(), authority.certificate().public_key, "{name}");
        }
    }
}
