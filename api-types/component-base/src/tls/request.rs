//! Certificate signing requests (PKCS#10): make one, read and verify one.

use std::net::IpAddr;

use x509_parser::prelude::{FromDer as _, ParsedExtension, X509CertificationRequest};

use super::certificate::Profile;
use super::inspect::{AlternativeNames, name_attribute};
use super::key::PrivateKey;
use super::{TlsError, der, files};

/// A request whose own signature was found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// CN of the wanted subject.
    pub common_name: String,
    /// O of the wanted subject.
    pub organizations: Vec<String>,
    /// DNS names wanted.
    pub dns_names: Vec<String>,
    /// IP addresses wanted.
    pub ip_addresses: Vec<IpAddr>,
    /// URIs wanted.
    pub uris: Vec<String>,
    /// E-mail addresses wanted.
    pub email_addresses: Vec<String>,
    /// The subject as DER.
    pub subject_der: Vec<u8>,
    /// SubjectPublicKeyInfo as DER.
    pub public_key: Vec<u8>,
    /// GeneralNames as DER.
    pub(crate) alternative_names_der: Option<Vec<u8>>,
}

fn malformed(error: impl std::fmt::Display) -> TlsError {
    TlsError::Malformed { what: "certificate request", message: error.to_string() }
}

impl SigningRequest {
    /// Makes a request for `profile`'s subject and alternative names, signed by `key`; PEM.
    pub fn create(profile: &Profile, key: &PrivateKey) -> Result<String, TlsError> {
        let attributes = match profile.alternative_names()? {
            None => Vec::new(),
            Some(names) => {
                let extension = der::sequence(&[&der::oid(&[2, 5, 29, 17]), &der::octets(&names)]);
                let list = der::sequence(&[&extension]);
                der::sequence(&[&der::oid(&[1, 2, 840, 113549, 1, 9, 14]), &der::set(vec![list])])
            }
        };
        let content = der::sequence(&[
            &der::unsigned_integer(&[0]),
            &profile.subject(),
            &key.public_der(),
            &der::explicit(0, &attributes),
        ]);
        let signature = der::bits(&key.sign(&content)?);
        let request = der::sequence(&[&content, &key.signature_algorithm()?, &signature]);
        Ok(files::pem("CERTIFICATE REQUEST", &request))
    }

    /// Reads a PEM request (`CERTIFICATE REQUEST`) and verifies that its sender holds the key.
    pub fn from_pem(pem: &[u8]) -> Result<SigningRequest, TlsError> {
        let block = files::first_block(pem, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])
            .ok_or_else(|| malformed("PEM block type must be CERTIFICATE REQUEST"))?;
        SigningRequest::from_der(&block)
    }

    /// The same from DER.
    pub fn from_der(encoded: &[u8]) -> Result<SigningRequest, TlsError> {
        let (rest, parsed) = X509CertificationRequest::from_der(encoded).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(malformed("trailing data"));
        }
        parsed.verify_signature().map_err(|error| malformed(format_args!("signature: {error}")))?;
        let info = &parsed.certification_request_info;
        let mut names = AlternativeNames::default();
        let mut alternative_names_der = None;
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(found) = extension {
                names = AlternativeNames::from_parsed(found).map_err(malformed)?;
            }
        }
        if let Some(request) = requested_names(&parsed) {
            alternative_names_der = Some(request);
        }
        Ok(SigningRequest {
            common_name: name_attribute(&info.subject, &[2, 5, 4, 3]).into_iter().next().unwrap_or_default(),
            organizations: name_attribute(&info.subject, &[2, 5, 4, 10]),
            dns_names: names.dns_names,
            ip_addresses: names.ip_addresses,
            uris: names.uris,
            email_addresses: names.email_addresses,
            subject_der: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            alternative_names_der,
        })
    }
}

/// The GeneralNames of the request, byte for byte.
fn requested_names(parsed: &X509CertificationRequest<'_>) -> Option<Vec<u8>> {
    use x509_parser::extensions::X509Extension;
    use x509_parser::prelude::ParsedCriAttribute;
    for attribute in parsed.certification_request_info.iter_attributes() {
        if let ParsedCriAttribute::ExtensionRequest(request) = attribute.parsed_attribute() {
            let found = request
                .extensions
                .iter()
                .find(|extension: &&X509Extension<'_>| extension.oid.to_id_string() == "2.5.29.17");
            if let Some(found) = found {
                return Some(found.value.to_vec());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyAlgorithm;
    use super::*;

    #[test]
    fn requests_are_read_back_and_verified() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        let mut profile = Profile::leaf("jane", &[], epoch, epoch).with_organizations(["dev", "ops"]);
        let pem = SigningRequest::create(&profile, &key).expect("request");
        let request = SigningRequest::from_pem(pem.as_bytes()).expect("parsed");
        assert_eq!(request.common_name, "jane");
        assert_eq!(request.organizations, ["dev", "ops"]);
        assert!(request.dns_names.is_empty());
        profile.uris.push("spiffe://cluster/jane".to_owned());
        let pem = SigningRequest::create(&profile, &key).expect("request");
        assert_eq!(SigningRequest::from_pem(pem.as_bytes()).expect("parsed").uris, profile.uris);
    }

    #[test]
    fn a_forged_request_is_refused() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("key");
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        let pem = SigningRequest::create(&Profile::leaf("jane", &[], epoch, epoch), &key).expect("request");
        let mut encoded = files::first_block(pem.as_bytes(), &["CERTIFICATE REQUEST"]).expect("block");
        let at = encoded.windows(4).position(|bytes| bytes == b"jane").expect("name");
        encoded[at] = b'x';
        let error = SigningRequest::from_der(&encoded).expect_err("forged");
        assert!(error.to_string().starts_with("failed to parse certificate request: signature"), "{error}");
        assert!(SigningRequest::from_pem(b"nothing").is_err());
    }
}
