//! Writes X.509 certificates and signing requests from a profile.
//!
//! The encoding is done here and not by a library because names with several organizations (the groups
//! of a user) and subjects copied byte for byte from a request must survive.

use std::net::IpAddr;

use super::key::PrivateKey;
use super::{TlsError, der};

/// Key usage bits (RFC 5280, 4.2.1.3), with upstream's spelling in the CSR API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Usage {
    /// `digital signature` (also `signing`)
    DigitalSignature,
    /// `content commitment`
    ContentCommitment,
    /// `key encipherment`
    KeyEncipherment,
    /// `data encipherment`
    DataEncipherment,
    /// `key agreement`
    KeyAgreement,
    /// `cert sign`
    CertSign,
    /// `crl sign`
    CrlSign,
    /// `encipher only`
    EncipherOnly,
    /// `decipher only`
    DecipherOnly,
}

/// Extended key usages (RFC 5280, 4.2.1.12), with upstream's spelling in the CSR API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtendedUsage {
    /// `any`
    Any,
    /// `server auth`
    ServerAuth,
    /// `client auth`
    ClientAuth,
    /// `code signing`
    CodeSigning,
    /// `email protection` (also `s/mime`)
    EmailProtection,
    /// `ipsec end system`
    IpsecEndSystem,
    /// `ipsec tunnel`
    IpsecTunnel,
    /// `ipsec user`
    IpsecUser,
    /// `timestamping`
    Timestamping,
    /// `ocsp signing`
    OcspSigning,
    /// `microsoft sgc`
    MicrosoftSgc,
    /// `netscape sgc`
    NetscapeSgc,
}

impl Usage {
    /// Upstream's names; `signing` is a second name of the first.
    pub const NAMES: [(&'static str, Usage); 10] = [
        ("digital signature", Usage::DigitalSignature),
        ("signing", Usage::DigitalSignature),
        ("content commitment", Usage::ContentCommitment),
        ("key encipherment", Usage::KeyEncipherment),
        ("data encipherment", Usage::DataEncipherment),
        ("key agreement", Usage::KeyAgreement),
        ("cert sign", Usage::CertSign),
        ("crl sign", Usage::CrlSign),
        ("encipher only", Usage::EncipherOnly),
        ("decipher only", Usage::DecipherOnly),
    ];

    /// Looks up upstream's name.
    pub fn from_name(name: &str) -> Option<Usage> {
        Usage::NAMES.iter().find(|(known, _)| *known == name).map(|(_, usage)| *usage)
    }

    /// Number of the bit.
    pub(crate) fn bit(self) -> u8 {
        match self {
            Usage::DigitalSignature => 0,
            Usage::ContentCommitment => 1,
            Usage::KeyEncipherment => 2,
            Usage::DataEncipherment => 3,
            Usage::KeyAgreement => 4,
            Usage::CertSign => 5,
            Usage::CrlSign => 6,
            Usage::EncipherOnly => 7,
            Usage::DecipherOnly => 8,
        }
    }
}

impl ExtendedUsage {
    /// Upstream's names with the object identifiers.
    pub const TABLE: [(&'static str, ExtendedUsage, &'static [u32]); 13] = [
        ("any", ExtendedUsage::Any, &[2, 5, 29, 37, 0]),
        ("server auth", ExtendedUsage::ServerAuth, &[1, 3, 6, 1, 5, 5, 7, 3, 1]),
        ("client auth", ExtendedUsage::ClientAuth, &[1, 3, 6, 1, 5, 5, 7, 3, 2]),
        ("code signing", ExtendedUsage::CodeSigning, &[1, 3, 6, 1, 5, 5, 7, 3, 3]),
        ("email protection", ExtendedUsage::EmailProtection, &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
        ("s/mime", ExtendedUsage::EmailProtection, &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
        ("ipsec end system", ExtendedUsage::IpsecEndSystem, &[1, 3, 6, 1, 5, 5, 7, 3, 5]),
        ("ipsec tunnel", ExtendedUsage::IpsecTunnel, &[1, 3, 6, 1, 5, 5, 7, 3, 6]),
        ("ipsec user", ExtendedUsage::IpsecUser, &[1, 3, 6, 1, 5, 5, 7, 3, 7]),
        ("timestamping", ExtendedUsage::Timestamping, &[1, 3, 6, 1, 5, 5, 7, 3, 8]),
        ("ocsp signing", ExtendedUsage::OcspSigning, &[1, 3, 6, 1, 5, 5, 7, 3, 9]),
        ("microsoft sgc", ExtendedUsage::MicrosoftSgc, &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3]),
        ("netscape sgc", ExtendedUsage::NetscapeSgc, &[2, 16, 840, 1, 113730, 4, 1]),
    ];

    /// Looks up upstream's name.
    pub fn from_name(name: &str) -> Option<ExtendedUsage> {
        ExtendedUsage::TABLE.iter().find(|(known, _, _)| *known == name).map(|(_, usage, _)| *usage)
    }

    fn arcs(self) -> &'static [u32] {
        ExtendedUsage::TABLE.iter().find(|(_, usage, _)| *usage == self).map_or(&[], |(_, _, arcs)| arcs)
    }
}

/// What a certificate shall say.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// CN: a user's name, or a server's.
    pub common_name: String,
    /// O, any number: a user's groups.
    pub organizations: Vec<String>,
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
    /// Extended key usages.
    pub extended_usages: Vec<ExtendedUsage>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// First second of validity.
    pub not_before: jiff::Timestamp,
    /// Last second of validity.
    pub not_after: jiff::Timestamp,
}

impl Profile {
    /// A client or server leaf as kubeadm makes it: digital signature and key encipherment.
    pub fn leaf(
        common_name: &str,
        extended_usages: &[ExtendedUsage],
        not_before: jiff::Timestamp,
        not_after: jiff::Timestamp,
    ) -> Profile {
        Profile {
            common_name: common_name.to_owned(),
            organizations: Vec::new(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            uris: Vec::new(),
            email_addresses: Vec::new(),
            usages: vec![Usage::DigitalSignature, Usage::KeyEncipherment],
            extended_usages: extended_usages.to_vec(),
            is_ca: false,
            not_before,
            not_after,
        }
    }

    /// A certificate authority as kubeadm makes it: also `cert sign`, and its name as DNS name.
    pub fn authority(common_name: &str, not_before: jiff::Timestamp, not_after: jiff::Timestamp) -> Profile {
        let mut profile = Profile::leaf(common_name, &[], not_before, not_after);
        profile.is_ca = true;
        profile.usages.push(Usage::CertSign);
        profile.dns_names.push(common_name.to_owned());
        profile
    }

    /// Adds organizations.
    pub fn with_organizations<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Profile {
        self.organizations.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds DNS names.
    pub fn with_dns_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Profile {
        self.dns_names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds IP addresses.
    pub fn with_ip_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Profile {
        self.ip_addresses.extend(addresses);
        self
    }

    /// The subject as DER: organizations in one set, then the common name, as Go writes it.
    pub(crate) fn subject(&self) -> Vec<u8> {
        let attribute = |last: u32, text: &str| {
            der::sequence(&[&der::oid(&[2, 5, 4, last]), &der::directory_string(text)])
        };
        let mut sets = Vec::new();
        if !self.organizations.is_empty() {
            sets.push(der::set(self.organizations.iter().map(|name| attribute(10, name)).collect()));
        }
        if !self.common_name.is_empty() {
            sets.push(der::set(vec![attribute(3, &self.common_name)]));
        }
        der::element(0x30, &sets.concat())
    }

    /// GeneralNames, or nothing when there is no alternative name.
    pub(crate) fn alternative_names(&self) -> Result<Option<Vec<u8>>, TlsError> {
        let mut names = Vec::new();
        let texts = [("dnsNames", 2_u8, &self.dns_names), ("emailAddresses", 1, &self.email_addresses)];
        for (field, tag, values) in texts {
            for value in values {
                names.extend(der::implicit(tag, ia5(field, value)?));
            }
        }
        for address in &self.ip_addresses {
            match address {
                IpAddr::V4(address) => names.extend(der::implicit(7, &address.octets())),
                IpAddr::V6(address) => names.extend(der::implicit(7, &address.octets())),
            }
        }
        for uri in &self.uris {
            names.extend(der::implicit(6, ia5("uris", uri)?));
        }
        Ok(if names.is_empty() { None } else { Some(der::element(0x30, &names)) })
    }
}

fn ia5<'a>(field: &'static str, value: &'a str) -> Result<&'a [u8], TlsError> {
    if value.is_empty() || !value.is_ascii() {
        return Err(TlsError::Profile { field, value: value.to_owned(), rule: "must be non-empty ASCII" });
    }
    Ok(value.as_bytes())
}

/// The parts of a certificate that differ between "from a profile" and "from a request".
pub(crate) struct Body<'a> {
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub public_key: &'a [u8],
    pub not_before: jiff::Timestamp,
    pub not_after: jiff::Timestamp,
    pub usages: &'a [Usage],
    pub extended_usages: &'a [ExtendedUsage],
    pub is_ca: bool,
    pub alternative_names: Option<&'a [u8]>,
    pub authority_key_id: Option<&'a [u8]>,
}

/// Identifier of a public key: SHA-1 of its bits, method 1 of RFC 5280, 4.2.1.2 (not a security property).
pub(crate) fn key_identifier(public_key: &[u8]) -> Vec<u8> {
    let bits = x509_parser::x509::SubjectPublicKeyInfo::from_der_bits(public_key);
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref().to_vec()
}

/// Finds the key bits inside SubjectPublicKeyInfo.
trait PublicKeyBits {
    fn from_der_bits(encoded: &[u8]) -> &[u8];
}

impl PublicKeyBits for x509_parser::x509::SubjectPublicKeyInfo<'_> {
    fn from_der_bits(encoded: &[u8]) -> &[u8] {
        use x509_parser::prelude::FromDer as _;
        // BIT STRING content is the tail of the structure: its length tells where it starts.
        match x509_parser::x509::SubjectPublicKeyInfo::from_der(encoded) {
            Ok((_, info)) => {
                let length = info.subject_public_key.data.len();
                encoded.get(encoded.len().saturating_sub(length)..).unwrap_or(encoded)
            }
            Err(_) => encoded,
        }
    }
}

/// Encodes and signs a certificate; the result is DER.
pub(crate) fn build(body: &Body<'_>, signer: &PrivateKey) -> Result<Vec<u8>, TlsError> {
    if body.not_after < body.not_before {
        return Err(TlsError::Profile {
            field: "notAfter",
            value: body.not_after.to_string(),
            rule: "must not be before notBefore",
        });
    }
    let algorithm = signer.signature_algorithm()?;
    let mut serial = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| TlsError::Key("no random numbers".to_owned()))?;
    // Positive and never zero, whatever was drawn.
    serial[0] = serial[0] & 0x7f | 0x01;
    let content = der::sequence(&[
        &der::explicit(0, &der::unsigned_integer(&[2])),
        &der::unsigned_integer(&serial),
        &algorithm,
        body.issuer,
        &der::sequence(&[&der::time(body.not_before), &der::time(body.not_after)]),
        body.subject,
        body.public_key,
        &der::explicit(3, &extensions(body)),
    ]);
    Ok(der::sequence(&[&content, &algorithm, &der::bits(&signer.sign(&content)?)]))
}

/// The extensions in Go's order.
fn extensions(body: &Body<'_>) -> Vec<u8> {
    let extension = |arcs: &[u32], critical: bool, value: &[u8]| {
        let critical = if critical { der::boolean(true) } else { Vec::new() };
        der::sequence(&[&der::oid(arcs), &critical, &der::octets(value)])
    };
    let mut all = Vec::new();
    if !body.usages.is_empty() {
        let bits: Vec<u8> = body.usages.iter().map(|usage| usage.bit()).collect();
        all.extend(extension(&[2, 5, 29, 15], true, &der::named_bits(&bits)));
    }
    if !body.extended_usages.is_empty() {
        let list: Vec<u8> = body.extended_usages.iter().flat_map(|usage| der::oid(usage.arcs())).collect();
        all.extend(extension(&[2, 5, 29, 37], false, &der::element(0x30, &list)));
    }
    let constraints = if body.is_ca { der::boolean(true) } else { Vec::new() };
    all.extend(extension(&[2, 5, 29, 19], true, &der::element(0x30, &constraints)));
    if body.is_ca {
        all.extend(extension(&[2, 5, 29, 14], false, &der::octets(&key_identifier(body.public_key))));
    }
    if let Some(identifier) = body.authority_key_id {
        all.extend(extension(&[2, 5, 29, 35], false, &der::sequence(&[&der::implicit(0, identifier)])));
    }
    if let Some(names) = body.alternative_names {
        // Critical when there is no subject to go by (RFC 5280, 4.2.1.6).
        all.extend(extension(&[2, 5, 29, 17], body.subject.len() <= 2, names));
    }
    der::element(0x30, &all)
}
