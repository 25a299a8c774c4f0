//! What a certificate says, read by x509-parser.

use std::net::IpAddr;

use x509_parser::prelude::{
    FromDer as _, GeneralName, ParsedExtension, SubjectAlternativeName, X509Certificate, X509Name,
};

use super::certificate::{ExtendedUsage, Usage};
use super::{TlsError, files};

/// The facts of one certificate that authentication, kubeadm and the controllers look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// CN of the subject.
    pub common_name: String,
    /// O of the subject.
    pub organizations: Vec<String>,
    /// CN of the issuer.
    pub issuer_common_name: String,
    /// Serial number, big-endian without leading zeros.
    pub serial: Vec<u8>,
    /// DNS names (SAN).
    pub dns_names: Vec<String>,
    /// IP addresses (SAN).
    pub ip_addresses: Vec<IpAddr>,
    /// URIs (SAN).
    pub uris: Vec<String>,
    /// E-mail addresses (SAN).
    pub email_addresses: Vec<String>,
    /// Key usages.
    pub usages: Vec<Usage>,
    /// Extended key usages this project has a name for.
    pub extended_usages: Vec<ExtendedUsage>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// First second of validity.
    pub not_before: jiff::Timestamp,
    /// Last second of validity.
    pub not_after: jiff::Timestamp,
    /// Subject key identifier, when stated.
    pub subject_key_id: Option<Vec<u8>>,
    /// Other attributes of the subject as (dotted object identifier, text): user id is `1.3.6.1.4.1.57683.2`.
    pub other_attributes: Vec<(String, String)>,
    /// Subject as DER.
    pub subject_der: Vec<u8>,
    /// SubjectPublicKeyInfo as DER.
    pub public_key: Vec<u8>,
    /// The whole certificate as DER.
    pub der: Vec<u8>,
}

fn malformed(error: impl std::fmt::Display) -> TlsError {
    TlsError::Malformed { what: "certificate", message: error.to_string() }
}

impl CertificateFacts {
    /// Reads one DER certificate.
    pub fn from_der(encoded: &[u8]) -> Result<CertificateFacts, TlsError> {
        let (rest, parsed) = X509Certificate::from_der(encoded).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(malformed("trailing data"));
        }
        let mut names = AlternativeNames::default();
        let (mut usages, mut extended_usages) = (Vec::new(), Vec::new());
        let (mut is_ca, mut subject_key_id) = (false, None);
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(found) => {
                    names = AlternativeNames::from_parsed(found).map_err(malformed)?;
                }
                ParsedExtension::KeyUsage(found) => {
                    usages = Usage::NAMES
                        .iter()
                        .filter(|(name, usage)| *name != "signing" && found.flags >> usage.bit() & 1 == 1)
                        .map(|(_, usage)| *usage)
                        .collect();
                }
                ParsedExtension::ExtendedKeyUsage(_) => extended_usages = read_extended(extension.value),
                ParsedExtension::BasicConstraints(found) => is_ca = found.ca,
                ParsedExtension::SubjectKeyIdentifier(found) => subject_key_id = Some(found.0.to_vec()),
                _ => {}
            }
        }
        let timestamp = |time: x509_parser::time::ASN1Time| {
            jiff::Timestamp::from_second(time.timestamp()).map_err(malformed)
        };
        let subject = parsed.subject();
        Ok(CertificateFacts {
            common_name: name_attribute(subject, &[2, 5, 4, 3]).into_iter().next().unwrap_or_default(),
            organizations: name_attribute(subject, &[2, 5, 4, 10]),
            issuer_common_name: name_attribute(parsed.issuer(), &[2, 5, 4, 3])
                .into_iter()
                .next()
                .unwrap_or_default(),
            serial: parsed.raw_serial().iter().copied().skip_while(|byte| *byte == 0).collect(),
            dns_names: names.dns_names,
            ip_addresses: names.ip_addresses,
            uris: names.uris,
            email_addresses: names.email_addresses,
            usages,
            extended_usages,
            is_ca,
            not_before: timestamp(parsed.validity().not_before)?,
            not_after: timestamp(parsed.validity().not_after)?,
            subject_key_id,
            other_attributes: other_attributes(subject),
            subject_der: subject.as_raw().to_vec(),
            public_key: parsed.public_key().raw.to_vec(),
            der: encoded.to_vec(),
        })
    }

    /// Reads every certificate of a PEM bundle; at least one.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<CertificateFacts>, TlsError> {
        files::parse_certificates(pem)?.iter().map(|der| CertificateFacts::from_der(der)).collect()
    }

    /// Reads the first certificate of a PEM bundle.
    pub fn first_from_pem(pem: &[u8]) -> Result<CertificateFacts, TlsError> {
        let der = files::parse_certificates(pem)?;
        der.first().map_or_else(|| Err(malformed("no certificate")), |der| CertificateFacts::from_der(der))
    }

    /// Reads the first certificate of a file.
    pub fn from_file(path: &std::path::Path) -> Result<CertificateFacts, TlsError> {
        CertificateFacts::first_from_pem(&files::read(path)?).map_err(|error| files::in_file(path, error))
    }

    /// Verifies that `issuer` signed this certificate (signature and names only, not times).
    pub fn verify_signed_by(&self, issuer: &CertificateFacts) -> Result<(), TlsError> {
        let untrusted = |reason: String| TlsError::Untrusted { subject: self.common_name.clone(), reason };
        let (_, own) = X509Certificate::from_der(&self.der).map_err(malformed)?;
        let (_, other) = X509Certificate::from_der(&issuer.der).map_err(malformed)?;
        if own.issuer().as_raw() != other.subject().as_raw() {
            return Err(untrusted(format!(
                "issuer is {:?}, not {:?}",
                self.issuer_common_name, issuer.common_name
            )));
        }
        own.verify_signature(Some(other.public_key())).map_err(|error| untrusted(error.to_string()))
    }

    /// Whether `now` is inside the validity.
    pub fn is_valid_at(&self, now: jiff::Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Alternative names by kind.
#[derive(Default)]
pub(crate) struct AlternativeNames {
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<IpAddr>,
    pub uris: Vec<String>,
    pub email_addresses: Vec<String>,
}

impl AlternativeNames {
    pub(crate) fn from_parsed(parsed: &SubjectAlternativeName<'_>) -> Result<AlternativeNames, String> {
        let mut names = AlternativeNames::default();
        for name in &parsed.general_names {
            match name {
                GeneralName::DNSName(text) => names.dns_names.push((*text).to_owned()),
                GeneralName::URI(text) => names.uris.push((*text).to_owned()),
                GeneralName::RFC822Name(text) => names.email_addresses.push((*text).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                    match v4.or(v6) {
                        Ok(address) => names.ip_addresses.push(address),
                        Err(_) => return Err(format!("IP address of {} bytes", bytes.len())),
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// The values of one attribute type of a name, in order.
pub(crate) fn name_attribute(name: &X509Name<'_>, arcs: &[u64]) -> Vec<String> {
    let wanted = arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == wanted)
        .filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
        .collect()
}

fn other_attributes(name: &X509Name<'_>) -> Vec<(String, String)> {
    name.iter_attributes()
        .map(|attribute| {
            (attribute.attr_type().to_id_string(), attribute.as_str().unwrap_or_default().to_owned())
        })
        .filter(|(kind, _)| kind != "2.5.4.3" && kind != "2.5.4.10")
        .collect()
}

/// The usages in the order of the certificate: SEQUENCE OF OBJECT IDENTIFIER, matched by encoding.
fn read_extended(value: &[u8]) -> Vec<ExtendedUsage> {
    let mut found: Vec<(usize, ExtendedUsage)> = Vec::new();
    for (_, usage, arcs) in ExtendedUsage::TABLE {
        let encoded = super::der::oid(arcs);
        let at = value.windows(encoded.len()).position(|window| window == encoded);
        if let Some(at) = at
            && !found.iter().any(|(_, known)| *known == usage)
        {
            found.push((at, usage));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, usage)| usage).collect()
}
