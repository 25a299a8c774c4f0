//! Certificates and keys on disk: an existing valid one is kept, a missing one is made, a wrong one is told.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use component_base::tls::{
    CertificateFacts, ExtendedUsage as Usage, KeyAlgorithm, PrivateKey, Profile, TlsError,
    authority::{Authority, self_signed},
    files::certificate_pem,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    PkiError,
    specs::{self, Spec},
};
use crate::{
    config::{Configuration, duration::GoDuration},
    constants::{CERTIFICATE_BACKDATE, NODE_USER_PREFIX, NODES_GROUP},
    host::files::Files,
};

const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// What [`ensure`] did.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// It was there and fits.
    Kept,
    /// It was there and fits, and somebody else keeps the authority's key.
    KeptWithoutKey,
    Made {
        alternative_names: Vec<String>,
    },
}

/// The place of a certificate below a folder.
pub fn certificate_file(folder: &Path, base_name: &str) -> PathBuf {
    folder.join(format!("{base_name}.crt"))
}

/// The place of a private key below a folder.
pub fn key_file(folder: &Path, base_name: &str) -> PathBuf {
    folder.join(format!("{base_name}.key"))
}

/// Reads a certificate, none when there is no file.
pub fn load_certificate(
    files: &Files,
    folder: &Path,
    base_name: &str,
) -> Result<Option<CertificateFacts>, PkiError> {
    let path = certificate_file(folder, base_name);
    let Some(text) = files.read(&path)? else { return Ok(None) };
    CertificateFacts::first_from_pem(&text).map(Some).map_err(|source| PkiError::Load { path, source })
}

/// Reads a private key, none when there is no file.
pub fn load_key(files: &Files, folder: &Path, base_name: &str) -> Result<Option<PrivateKey>, PkiError> {
    let path = key_file(folder, base_name);
    let Some(text) = files.read(&path)? else { return Ok(None) };
    PrivateKey::from_pem(&text).map(Some).map_err(|source| PkiError::Load { path, source })
}

/// The certificate of the authority with a name, and its key where this host has it.
pub fn load_authority(
    files: &Files,
    configuration: &Configuration,
    spec: &Spec,
) -> Result<(CertificateFacts, Option<Authority>), PkiError> {
    let folder = Path::new(&configuration.cluster.certificates_dir);
    let certificate = load_certificate(files, folder, spec.base_name)?.ok_or_else(|| PkiError::Missing {
        name: spec.name.to_owned(),
        path: certificate_file(folder, spec.base_name),
    })?;
    if !certificate.is_ca {
        return Err(PkiError::NotAnAuthority { name: spec.base_name.to_owned() });
    }
    let path = key_file(folder, spec.base_name);
    let Some(key) = files.read(&path)? else { return Ok((certificate, None)) };
    let pem = certificate_pem(&certificate.der);
    match Authority::from_pem(pem.as_bytes(), &key) {
        Ok(authority) => Ok((certificate, Some(authority))),
        Err(TlsError::Mismatch(_)) => Err(PkiError::ForeignKey { name: spec.base_name.to_owned() }),
        Err(source) => Err(PkiError::Load { path, source }),
    }
}

/// Sees to it that a certificate of the table exists and fits the configuration.
pub fn ensure(
    files: &mut Files,
    configuration: &Configuration,
    spec: &Spec,
    now: Timestamp,
) -> Result<Outcome, PkiError> {
    match spec.authority.and_then(specs::find) {
        None => ensure_authority(files, configuration, spec, now),
        Some(authority) => ensure_leaf(files, configuration, spec, authority, now),
    }
}

fn ensure_authority(
    files: &mut Files,
    configuration: &Configuration,
    spec: &Spec,
    now: Timestamp,
) -> Result<Outcome, PkiError> {
    let folder = PathBuf::from(&configuration.cluster.certificates_dir);
    if load_certificate(files, &folder, spec.base_name)?.is_some() {
        let (certificate, authority) = load_authority(files, configuration, spec)?;
        warn_of_period(spec.base_name, &certificate, now);
        return Ok(if authority.is_some() { Outcome::Kept } else { Outcome::KeptWithoutKey });
    }
    let make = |source| PkiError::Make { name: spec.name.to_owned(), source };
    let key = match load_key(files, &folder, spec.base_name)? {
        Some(key) => key,
        None => PrivateKey::generate(algorithm(configuration)?).map_err(make)?,
    };
    let (from, until) = period(now, configuration.cluster.ca_certificate_validity_period, spec.name)?;
    let profile = Profile::authority(spec.subject(configuration), from, until);
    let certificate = certificate_pem(&self_signed(&profile, &key).map_err(make)?);
    write_pair(files, &folder, spec.base_name, &certificate, &key)?;
    Ok(Outcome::Made { alternative_names: Vec::new() })
}

fn ensure_leaf(
    files: &mut Files,
    configuration: &Configuration,
    spec: &Spec,
    authority_spec: &Spec,
    now: Timestamp,
) -> Result<Outcome, PkiError> {
    let folder = PathBuf::from(&configuration.cluster.certificates_dir);
    let (authority_certificate, authority) = load_authority(files, configuration, authority_spec)?;
    let alternative_names = (spec.alternative_names)(configuration);
    let certificate = load_certificate(files, &folder, spec.base_name)?;
    let key = load_key(files, &folder, spec.base_name)?;
    if let (Some(certificate), Some(key)) = (&certificate, &key) {
        check_leaf(spec.base_name, certificate, key, &authority_certificate, &alternative_names)?;
        warn_of_period(spec.base_name, certificate, now);
        return Ok(Outcome::Kept);
    }
    let Some(authority) = authority else {
        return Err(PkiError::ExternalAuthority {
            name: authority_spec.name.to_owned(),
            leaf: spec.name.to_owned(),
            path: key_file(&folder, authority_spec.base_name),
        });
    };
    issue(files, configuration, spec, &authority, now)?;
    let serves = spec.usages.contains(&Usage::ServerAuth);
    Ok(Outcome::Made { alternative_names: if serves { alternative_names } else { Vec::new() } })
}

/// Makes a certificate of the table and writes it and its new key, whatever is there.
pub fn issue(
    files: &mut Files,
    configuration: &Configuration,
    spec: &Spec,
    authority: &Authority,
    now: Timestamp,
) -> Result<(), PkiError> {
    let (from, until) = period(now, configuration.cluster.certificate_validity_period, spec.name)?;
    let (addresses, names): (Vec<String>, Vec<String>) =
        (spec.alternative_names)(configuration).into_iter().partition(|name| name.parse::<IpAddr>().is_ok());
    let profile = Profile::leaf(spec.subject(configuration), spec.usages, from, until)
        .with_organizations(spec.organization)
        .with_dns_names(names)
        .with_ip_addresses(addresses.iter().filter_map(|address| address.parse().ok()));
    let (certificate, key) = authority
        .issue(&profile, algorithm(configuration)?)
        .map_err(|source| PkiError::Make { name: spec.name.to_owned(), source })?;
    write_pair(files, Path::new(&configuration.cluster.certificates_dir), spec.base_name, &certificate, &key)
}

/// Makes an existing certificate anew: the same subject, names and usages, a new key and a new period.
pub fn renew(
    files: &mut Files,
    configuration: &Configuration,
    spec: &Spec,
    existing: &CertificateFacts,
    authority: &Authority,
    now: Timestamp,
) -> Result<(), PkiError> {
    let (from, until) = period(now, configuration.cluster.certificate_validity_period, spec.name)?;
    let profile = Profile::leaf(&existing.common_name, &existing.extended_usages, from, until)
        .with_organizations(existing.organizations.clone())
        .with_dns_names(existing.dns_names.clone())
        .with_ip_addresses(existing.ip_addresses.iter().copied());
    let (certificate, key) = authority
        .issue(&profile, algorithm(configuration)?)
        .map_err(|source| PkiError::Make { name: spec.name.to_owned(), source })?;
    write_pair(files, Path::new(&configuration.cluster.certificates_dir), spec.base_name, &certificate, &key)
}

fn check_leaf(
    name: &str,
    certificate: &CertificateFacts,
    key: &PrivateKey,
    authority: &CertificateFacts,
    wanted_names: &[String],
) -> Result<(), PkiError> {
    if certificate.verify_signed_by(authority).is_err() {
        return Err(PkiError::ForeignAuthority { name: name.to_owned() });
    }
    if certificate.public_key != key.public_der() {
        return Err(PkiError::ForeignKey { name: name.to_owned() });
    }
    let mut names = certificate.dns_names.clone();
    names.extend(certificate.ip_addresses.iter().map(IpAddr::to_string));
    let missing: Vec<&str> =
        wanted_names.iter().filter(|name| !names.contains(name)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PkiError::Unusable {
        name: name.to_owned(),
        complaint: format!(
            "it is valid for [{}], not for [{}]; remove it to have it made anew",
            names.join(" "),
            missing.join(" ")
        ),
    })
}

/// Sees to it that the key pair that signs service-account tokens exists.
pub fn ensure_service_account_key(
    files: &mut Files,
    configuration: &Configuration,
) -> Result<Outcome, PkiError> {
    let folder = PathBuf::from(&configuration.cluster.certificates_dir);
    let (existing, outcome) = match load_key(files, &folder, "sa")? {
        Some(key) => (key, Outcome::Kept),
        None => {
            let key = PrivateKey::generate(algorithm(configuration)?)
                .map_err(|source| PkiError::Make { name: "sa".to_owned(), source })?;
            files.write(&key_file(&folder, "sa"), key.to_pem().as_bytes(), KEY_MODE)?;
            (key, Outcome::Made { alternative_names: Vec::new() })
        }
    };
    let public = folder.join("sa.pub");
    if outcome != Outcome::Kept || !files.exists(&public) {
        files.write(&public, existing.public_pem().as_bytes(), KEY_MODE)?;
    }
    Ok(outcome)
}

/// An identity signed by the cluster's authority that is not kept in the folder of certificates, all in PEM.
pub struct SignedIdentity {
    pub certificate: String,
    pub key: String,
    pub authority: String,
}

/// Makes a client certificate signed by the cluster's authority.
pub fn client_identity(
    files: &Files,
    configuration: &Configuration,
    common_name: &str,
    organization: Option<&str>,
    now: Timestamp,
) -> Result<SignedIdentity, PkiError> {
    let (from, until) = period(now, configuration.cluster.certificate_validity_period, common_name)?;
    let profile =
        Profile::leaf(common_name, &[Usage::ClientAuth], from, until).with_organizations(organization);
    signed_by_cluster(files, configuration, &profile, common_name, now)
}

/// Makes the serving certificate of the kubelet of the first node, as the cluster would sign it on request.
pub fn kubelet_serving_identity(
    files: &Files,
    configuration: &Configuration,
    addresses: &[IpAddr],
    now: Timestamp,
) -> Result<SignedIdentity, PkiError> {
    let node = &configuration.init.node_registration.name;
    let user = format!("{NODE_USER_PREFIX}{node}");
    let (from, until) = period(now, configuration.cluster.certificate_validity_period, &user)?;
    let profile = Profile::leaf(&user, &[Usage::ServerAuth], from, until)
        .with_organizations([NODES_GROUP])
        .with_dns_names([node.as_str()])
        .with_ip_addresses(addresses.iter().copied());
    signed_by_cluster(files, configuration, &profile, &user, now)
}

fn signed_by_cluster(
    files: &Files,
    configuration: &Configuration,
    profile: &Profile,
    name: &str,
    now: Timestamp,
) -> Result<SignedIdentity, PkiError> {
    let spec = &specs::ALL[0];
    let (authority_certificate, authority) = load_authority(files, configuration, spec)?;
    let Some(authority) = authority else {
        return Err(PkiError::ExternalAuthority {
            name: spec.name.to_owned(),
            leaf: name.to_owned(),
            path: key_file(Path::new(&configuration.cluster.certificates_dir), spec.base_name),
        });
    };
    warn_of_period(spec.base_name, &authority_certificate, now);
    let (certificate, key) = authority
        .issue(profile, algorithm(configuration)?)
        .map_err(|source| PkiError::Make { name: name.to_owned(), source })?;
    Ok(SignedIdentity { certificate, key: key.to_pem(), authority: authority.certificate_pem() })
}

/// Whether the cluster's authority is somebody else's: its certificate is here, its key is not.
pub fn uses_external_authority(files: &Files, configuration: &Configuration) -> bool {
    let folder = Path::new(&configuration.cluster.certificates_dir);
    files.exists(&certificate_file(folder, "ca")) && !files.exists(&key_file(folder, "ca"))
}

fn write_pair(
    files: &mut Files,
    folder: &Path,
    base_name: &str,
    certificate: &str,
    key: &PrivateKey,
) -> Result<(), PkiError> {
    files.write(&key_file(folder, base_name), key.to_pem().as_bytes(), KEY_MODE)?;
    files.write(&certificate_file(folder, base_name), certificate.as_bytes(), CERTIFICATE_MODE)?;
    Ok(())
}

/// First and last second of a certificate made now.
fn period(
    now: Timestamp,
    validity: Option<GoDuration>,
    name: &str,
) -> Result<(Timestamp, Timestamp), PkiError> {
    let too_long = |_| PkiError::Unusable {
        name: name.to_owned(),
        complaint: "its validity would end after the year 9999".to_owned(),
    };
    let backdate = SignedDuration::try_from(CERTIFICATE_BACKDATE).map_err(too_long)?;
    let validity = SignedDuration::try_from(validity.unwrap_or_default().to_std()).map_err(too_long)?;
    Ok((now.checked_sub(backdate).map_err(too_long)?, now.checked_add(validity).map_err(too_long)?))
}

/// What is wrong with a certificate's validity at a moment.
pub fn period_complaint(certificate: &CertificateFacts, now: Timestamp) -> Option<String> {
    let period = format!("NotBefore: {}, NotAfter: {}", certificate.not_before, certificate.not_after);
    if now < certificate.not_before {
        return Some(format!("the certificate is not valid yet: {period}"));
    }
    (now > certificate.not_after).then(|| format!("the certificate has expired: {period}"))
}

fn warn_of_period(name: &str, certificate: &CertificateFacts, now: Timestamp) {
    if let Some(complaint) = period_complaint(certificate, now) {
        tracing::warn!("could not validate bounds for certificate {name}: {complaint}");
    }
}

/// The algorithm of new keys; the old feature gate asks for the same as the newer setting.
fn algorithm(configuration: &Configuration) -> Result<KeyAlgorithm, PkiError> {
    let cluster = &configuration.cluster;
    if cluster.feature_gates.get("PublicKeysECDSA") == Some(&true) {
        return Ok(KeyAlgorithm::EcdsaP256);
    }
    KeyAlgorithm::from_name(&cluster.encryption_algorithm)
        .ok_or_else(|| PkiError::Algorithm { algorithm: cluster.encryption_algorithm.clone() })
}

#[cfg(test)]
mod tests;
