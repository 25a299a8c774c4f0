//! `upload-certs`: the keys other control-plane nodes need, encrypted with a key that only the user sees.

use std::{collections::BTreeMap, path::PathBuf};

use api_types::core::v1::Secret;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use machinery::meta::v1::OwnerReference;

use crate::{
    cluster::{
        rbac::{self, group},
        tokens,
    },
    config::{
        Configuration,
        duration::GoDuration,
        tokens::{Token, secret_name},
        v1beta4::BootstrapToken,
    },
    constants,
    render::encryption,
    workflows::{init_data::InitData, phase::Phase},
};

const FLAGS: &[&str] =
    &["config", "kubeconfig", "upload-certs", "certificate-key", "skip-certificate-key-print", "dry-run"];
const ROLE: &str = "kubeadm:kubeadm-certs";

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SealError {
    #[error("error decoding certificate key: expected {} hexadecimal digits", constants::CERTIFICATE_KEY_SIZE * 2)]
    Key,
    #[error("encryption failed")]
    Seal,
    #[error("decryption failed: the certificate key is not the one the certificates were uploaded with")]
    Open,
}

pub fn phase() -> Phase<InitData> {
    Phase::step(
        "upload-certs",
        format!("Upload certificates to {}", constants::CERTIFICATES_SECRET),
        FLAGS,
        |data| Box::pin(run(data)),
    )
}

async fn run(data: &mut InitData) -> anyhow::Result<()> {
    if !data.upload_certificates {
        println!("[upload-certs] Skipping phase. Please see --upload-certs");
        return Ok(());
    }
    if data.configuration.init.certificate_key.is_empty() {
        data.configuration.init.certificate_key = generate_key()?;
    }
    println!(
        "[upload-certs] Storing the certificates in Secret {:?} in the {:?} Namespace",
        constants::CERTIFICATES_SECRET,
        constants::KUBE_SYSTEM
    );
    let key = data.configuration.init.certificate_key.clone();
    let mut contents = BTreeMap::new();
    for (name, path) in files_to_share(&data.configuration) {
        // A file that is not there is stored as empty, so that the reader knows it was not forgotten.
        let sealed = match data.files.read(&path)? {
            Some(bytes) => seal(&bytes, &key)?,
            None => Vec::new(),
        };
        contents.insert(name.replace('/', "-"), sealed);
    }
    let now = data.now;
    let cluster = data.cluster().await?;
    // The Secret belongs to a token that ends in two hours, and ends with it.
    let token = BootstrapToken {
        token: Token::generate().to_string(),
        description: "Proxy for managing TTL for the kubeadm-certs secret".to_owned(),
        ttl: Some(GoDuration::from_secs(constants::CERTIFICATES_TOKEN_LIFE.as_secs() as i64)),
        ..BootstrapToken::default()
    };
    let token_secret = tokens::to_secret(&token, now)?;
    tokens::store(&cluster, &token_secret, true).await?;
    let owner: Option<Secret> = cluster.get(constants::KUBE_SYSTEM, &token_secret.metadata.name).await?;
    let mut secret = Secret {
        metadata: rbac::metadata(constants::KUBE_SYSTEM, constants::CERTIFICATES_SECRET),
        data: contents,
        ..Secret::default()
    };
    let id = token_secret.metadata.name.trim_start_matches("bootstrap-token-");
    secret.metadata.owner_references =
        owner.map(|owner| owner_reference(id, &owner.metadata.uid)).into_iter().collect();
    cluster.create_or_update(&secret).await?;
    let rule = rbac::may_get("secrets", &[constants::CERTIFICATES_SECRET]);
    cluster.create_or_update(&rbac::role(constants::KUBE_SYSTEM, ROLE, rule)).await?;
    let readers = [group(constants::BOOTSTRAPPERS_GROUP)];
    cluster.create_or_update(&rbac::binding(constants::KUBE_SYSTEM, ROLE, &readers)).await?;
    if !data.skip_certificate_key_print {
        println!("[upload-certs] Using certificate key:\n{key}");
    }
    Ok(())
}

fn owner_reference(token_id: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        name: secret_name(token_id),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The files a new control-plane node needs, by the names they have in the Secret.
pub fn files_to_share(configuration: &Configuration) -> Vec<(&'static str, PathBuf)> {
    let own = ["ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key"];
    let mut files: Vec<(&'static str, PathBuf)> =
        own.into_iter().map(|name| (name, configuration.certificate_path(name))).collect();
    if let Some(encryption) = encryption::own_file(configuration) {
        files.push((encryption::FILE_NAME, encryption));
    }
    match &configuration.cluster.etcd.external {
        None => files
            .extend(["etcd/ca.crt", "etcd/ca.key"].map(|name| (name, configuration.certificate_path(name)))),
        Some(external) => files.extend([
            ("external-etcd-ca.crt", PathBuf::from(&external.ca_file)),
            ("external-etcd.crt", PathBuf::from(&external.cert_file)),
            ("external-etcd.key", PathBuf::from(&external.key_file)),
        ]),
    }
    files
}

/// A new key to encrypt certificates with, in hexadecimal digits.
pub fn generate_key() -> Result<String, SealError> {
    let mut bytes = [0_u8; constants::CERTIFICATE_KEY_SIZE];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::Seal)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn cipher(key: &str) -> Result<LessSafeKey, SealError> {
    if key.len() != constants::CERTIFICATE_KEY_SIZE * 2 || !key.is_ascii() {
        return Err(SealError::Key);
    }
    let bytes: Vec<u8> = (0..key.len())
        .step_by(2)
        .map(|place| u8::from_str_radix(&key[place..place + 2], 16).map_err(|_| SealError::Key))
        .collect::<Result<_, _>>()?;
    UnboundKey::new(&AES_256_GCM, &bytes).map(LessSafeKey::new).map_err(|_| SealError::Key)
}

/// AES-GCM with the nonce in front, as upstream stores it.
pub fn seal(plain: &[u8], key: &str) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0_u8; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Seal)?;
    let mut sealed = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(|_| SealError::Seal)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Undoes [`seal`].
pub fn open(sealed: &[u8], key: &str) -> Result<Vec<u8>, SealError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
    let mut text = text.to_vec();
    let plain = cipher(key)?.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| SealError::Open)?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_opens() {
        let (key, other) = (generate_key().expect("a key"), generate_key().expect("a key"));
        let sealed = seal(b"secret", &key).expect("sealed");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(open(&sealed, &key), Ok(b"secret".to_vec()));
        assert_eq!(open(&sealed, &other), Err(SealError::Open));
        assert_eq!(open(b"short", &key), Err(SealError::Open));
        assert_eq!(seal(b"", "00"), Err(SealError::Key));
        assert_eq!(seal(b"", &"zz".repeat(32)), Err(SealError::Key));
        assert_ne!(seal(b"secret", &key).expect("sealed"), sealed, "a nonce was used twice");
    }
}
