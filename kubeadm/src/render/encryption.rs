//! Encryption of Secrets in the store: on from the first day, with a key that is made once and kept.
//!
//! The flag is part of the stored ClusterConfiguration, so that whoever writes the API server's manifest anew
//! writes it as well: without the file the Secrets could not be read any more.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{arguments::arg, yaml};
use crate::config::{Configuration, v1beta4::ClusterConfiguration, validation::argument};

/// The flag of the API server.
const FLAG: &str = "encryption-provider-config";
/// The file's name in the folder of the certificates, which the API server's pod sees.
pub const FILE_NAME: &str = "encryption-config.yaml";
/// What secretbox wants.
const KEY_BYTES: usize = 32;

/// No randomness could be had from the system.
#[derive(Debug, thiserror::Error)]
#[error("unable to make an encryption key: the system gives no randomness")]
pub struct NoRandomness;

/// Names the file in the API server's flags, unless the user chose another or none (an empty value).
pub fn default_flag(cluster: &mut ClusterConfiguration) {
    let given = &mut cluster.api_server.extra_args;
    match argument(given, FLAG) {
        Some("") => given.retain(|arg| arg.name != FLAG),
        Some(_) => {}
        None => {
            given.push(arg(FLAG, format!("{}/{FILE_NAME}", cluster.certificates_dir.trim_end_matches('/'))))
        }
    }
}

/// The file to make, none when the user's own is in use.
pub fn own_file(configuration: &Configuration) -> Option<PathBuf> {
    let path = configuration.certificate_path(FILE_NAME);
    let named = argument(&configuration.cluster.api_server.extra_args, FLAG)?;
    (path.as_path() == Path::new(named)).then_some(path)
}

/// A configuration with a new key. What was stored before stays readable and is encrypted when it is written
/// the next time.
pub fn generate() -> Result<String, NoRandomness> {
    let mut key = [0_u8; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| NoRandomness)?;
    Ok(yaml::document(&json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{
            "resources": ["secrets"],
            "providers": [
                {"secretbox": {"keys": [{"name": "key1", "secret": STANDARD.encode(key)}]}},
                {"identity": {}},
            ],
        }],
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::control_plane::tests::configuration;

    #[track_caller]
    fn check(given: &[(&str, &str)], expected: Option<&str>, own: bool) {
        let mut configuration = configuration();
        configuration.cluster.api_server.extra_args =
            given.iter().map(|(name, value)| arg(name, *value)).collect();
        default_flag(&mut configuration.cluster);
        assert_eq!(argument(&configuration.cluster.api_server.extra_args, FLAG), expected);
        assert_eq!(own_file(&configuration).is_some(), own);
    }

    #[test]
    fn the_user_may_choose_another_file_or_none() {
        check(&[], Some("/etc/kubernetes/pki/encryption-config.yaml"), true);
        check(&[("v", "2")], Some("/etc/kubernetes/pki/encryption-config.yaml"), true);
        check(&[(FLAG, "/etc/mine.yaml")], Some("/etc/mine.yaml"), false);
        check(&[(FLAG, "")], None, false);
    }

    #[test]
    fn every_key_is_new_and_long_enough() {
        let one = generate().expect("random");
        assert_ne!(one, generate().expect("random"));
        let value = machinery::codec::yaml::from_str(&one).expect("YAML");
        let secret = &value["resources"][0]["providers"][0]["secretbox"]["keys"][0]["secret"];
        assert_eq!(STANDARD.decode(secret.as_str().expect("text")).expect("base64").len(), KEY_BYTES);
    }
}
