//! Client certificates: common name is the user, organizations are the groups.
//!
//! The TLS layer asks every client for a certificate and checks that it holds the key; whether the
//! chain leads to a trusted authority is decided here, so that a foreign or expired certificate is
//! answered with 401 as upstream does, not with a broken handshake.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component_base::tls::server::ClientAuthorities;
use component_base::tls::{CertificateFacts, Reloaded};
use hashbrown::HashMap;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use super::{Authenticated, Authenticator, AuthnError, Credentials, Outcome};
use crate::UserInfo;

/// Key in [`UserInfo::extra`] that names the credential itself.
pub const CREDENTIAL_ID_KEY: &str = "authentication.kubernetes.io/credential-id";
/// Subject attribute that carries the user's uid.
const UID_ATTRIBUTE: &str = "1.3.6.1.4.1.57683.2";
/// A verified leaf is trusted this long before it is verified again.
const REVERIFY_AFTER: Duration = Duration::from_secs(10);
/// More distinct certificates than this within the period above empty the memory of verified ones.
const REMEMBERED_LEAVES: usize = 4096;

/// A replaceable set of authorities that sign client certificates, and the leaves lately verified.
pub struct Authorities {
    bundle: Reloaded<ClientAuthorities>,
    verified: Mutex<Verified>,
}

/// Leaves are remembered for one version of the bundle.
struct Verified {
    by: Arc<ClientAuthorities>,
    leaves: HashMap<Vec<u8>, Arc<Leaf>>,
}

/// A certificate that has been verified.
pub struct Leaf {
    until: jiff::Timestamp,
    /// Common name of the subject.
    pub common_name: String,
    /// The user it stands for; `None` without a common name, an error when the uid in it is bad.
    pub user: Result<Option<UserInfo>, AuthnError>,
}

impl Authorities {
    /// Trusts the newest version of `bundle`.
    pub fn new(bundle: Reloaded<ClientAuthorities>) -> Self {
        let verified = Mutex::new(Verified { by: bundle.current(), leaves: HashMap::new() });
        Authorities { bundle, verified }
    }

    /// Verifies that `chain` leads to an authority, is valid at `now` and is meant for clients.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: jiff::Timestamp,
    ) -> Result<Arc<Leaf>, AuthnError> {
        let Some(leaf) = chain.first() else {
            return Err(AuthnError::Certificate { subject: String::new(), reason: "no certificate".into() });
        };
        let current = self.bundle.current();
        {
            let mut verified = self.verified.lock();
            if !Arc::ptr_eq(&verified.by, &current) {
                *verified = Verified { by: current.clone(), leaves: HashMap::new() };
            }
            if let Some(known) = verified.leaves.get(leaf.as_ref()).filter(|known| now < known.until) {
                return Ok(known.clone());
            }
        }
        let facts = current.verify(chain, now).map_err(|error| AuthnError::Certificate {
            subject: describe(leaf),
            reason: error.to_string(),
        })?;
        let later = now.checked_add(REVERIFY_AFTER).unwrap_or(now);
        let known = Arc::new(Leaf {
            until: later.min(facts.not_after),
            user: user_of(&facts),
            common_name: facts.common_name,
        });
        let mut verified = self.verified.lock();
        if Arc::ptr_eq(&verified.by, &current) {
            if verified.leaves.len() >= REMEMBERED_LEAVES {
                verified.leaves.clear();
            }
            verified.leaves.insert(leaf.as_ref().to_vec(), known.clone());
        }
        Ok(known)
    }
}

fn describe(leaf: &CertificateDer<'_>) -> String {
    match CertificateFacts::from_der(leaf) {
        Ok(facts) => describe_facts(&facts),
        Err(_) => "(unreadable)".to_string(),
    }
}

fn describe_facts(facts: &CertificateFacts) -> String {
    let serial: String = facts.serial.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("SN={serial}, subject {:?}, issuer {:?}", facts.common_name, facts.issuer_common_name)
}

/// The user a certificate stands for; `None` when it has no common name.
fn user_of(facts: &CertificateFacts) -> Result<Option<UserInfo>, AuthnError> {
    if facts.common_name.is_empty() {
        return Ok(None);
    }
    let refuse =
        |reason: &str| AuthnError::Certificate { subject: describe_facts(facts), reason: reason.to_string() };
    let uids: Vec<&str> = facts
        .other_attributes
        .iter()
        .filter(|(identifier, _)| identifier == UID_ATTRIBUTE)
        .map(|(_, text)| text.as_str())
        .collect();
    let uid = match uids.as_slice() {
        [] => "",
        [""] => return Err(refuse("UID cannot be an empty string")),
        [uid] => uid,
        _ => return Err(refuse("expected 1 UID, but found multiple")),
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &facts.der);
    let fingerprint: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(UserInfo {
        username: facts.common_name.clone(),
        uid: uid.to_string(),
        groups: facts.organizations.clone(),
        extra: [(CREDENTIAL_ID_KEY.to_string(), vec![format!("X509SHA256={fingerprint}")])].into(),
    }))
}

/// Recognises users by client certificate.
pub struct ClientCertificate {
    /// Who may sign.
    pub authorities: Arc<Authorities>,
}

#[async_trait]
impl Authenticator for ClientCertificate {
    async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        if credentials.peer_certificates.is_empty() {
            return Ok(None);
        }
        let leaf = self.authorities.verify(credentials.peer_certificates, credentials.now)?;
        Ok(leaf.user.clone()?.map(Authenticated::user))
    }
}

#[cfg(test)]
mod tests;
