//! Finding a cluster one has never talked to, and knowing that it is the right one.
//!
//! By token: the ConfigMap `cluster-info` may be read by anybody. It is signed with the token, and the key of the
//! authority in it has a hash that came with the token. Only after both fit is anything believed.

use std::{path::Path, time::Duration};

use api_types::core::v1::ConfigMap;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use client::{Client, Config, config::Source};
use component_base::tls::CertificateFacts;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    config::{
        tokens::Token,
        v1beta4::{BootstrapTokenDiscovery, Discovery, FileDiscovery},
    },
    constants,
    phases::show_join_command::public_key_hash,
    render::kubeconfig::{self, Current},
};

const INTERVAL: Duration = Duration::from_secs(1);
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const SIGNATURE_PREFIX: &str = "jws-kubeconfig-";

#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error(transparent)]
    Token(#[from] crate::config::tokens::TokenError),
    #[error("failed to request the cluster-info ConfigMap from {server}")]
    Request { server: String, source: Box<client::Error> },
    #[error("failed to request the cluster-info ConfigMap from {server}: no answer within {REQUEST_LIMIT:?}")]
    Silent { server: String },
    #[error(
        "there is no kubeconfig key in the cluster-info ConfigMap. This API Server isn't set up for token bootstrapping, can't connect"
    )]
    NoKubeconfig,
    #[error(
        "token id {id:?} is invalid for this cluster or it has expired. Use \"kubeadm token create\" on the control-plane node to create a new valid token"
    )]
    UnknownToken { id: String },
    #[error("failed to verify JWS signature of received cluster info object, can't trust this API Server")]
    Signature,
    #[error(
        "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys {found:?} are pinned"
    )]
    Unpinned { found: Vec<String> },
    #[error(
        "the second kubeconfig from the cluster-info ConfigMap (using validated TLS) was different from the first"
    )]
    Changed,
    #[error("the discovered kubeconfig cannot be used")]
    Kubeconfig(#[from] kubeconfig::KubeconfigError),
    #[error("failed to read the discovery file {path:?}")]
    File { path: String, source: std::io::Error },
    #[error("the JoinConfiguration says neither by token nor by file how to find the cluster")]
    Nothing,
}

/// A cluster that is known to be the right one.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub server: String,
    pub authority_pem: String,
}

/// Finds the cluster, patiently.
pub async fn discover(discovery: &Discovery, limit: Duration) -> Result<Found, DiscoveryError> {
    match (&discovery.bootstrap_token, &discovery.file) {
        (Some(by_token), _) => {
            let deadline = Instant::now() + limit;
            loop {
                let error = match by_bootstrap_token(by_token).await {
                    Ok(found) => return Ok(found),
                    Err(error) => error,
                };
                // A server that may still start is worth another question; a wrong one is not.
                let starting = matches!(
                    error,
                    DiscoveryError::Request { .. }
                        | DiscoveryError::Silent { .. }
                        | DiscoveryError::UnknownToken { .. }
                );
                if !starting || Instant::now() >= deadline {
                    return Err(error);
                }
                tracing::info!("[discovery] {}", component_base::run::error_chain(&error));
                sleep(INTERVAL).await;
            }
        }
        (None, Some(file)) => by_file(file),
        (None, None) => Err(DiscoveryError::Nothing),
    }
}

fn by_file(file: &FileDiscovery) -> Result<Found, DiscoveryError> {
    let text = std::fs::read_to_string(Path::new(&file.kube_config_path))
        .map_err(|source| DiscoveryError::File { path: file.kube_config_path.clone(), source })?;
    let Current { server, authority_pem, .. } = kubeconfig::read(&text)?;
    Ok(Found { server, authority_pem })
}

async fn by_bootstrap_token(discovery: &BootstrapTokenDiscovery) -> Result<Found, DiscoveryError> {
    let token: Token = discovery.token.parse()?;
    let server = format!("https://{}", discovery.api_server_endpoint);
    let first = fetch(&server, None).await?;
    let text = signed_kubeconfig(&first, &token)?;
    let Current { server: named_server, authority_pem, .. } = kubeconfig::read(&text)?;
    let found = Found { server: named_server, authority_pem };
    if discovery.ca_cert_hashes.is_empty() {
        return Ok(found);
    }
    check_pins(&found.authority_pem, &discovery.ca_cert_hashes)?;
    // Now that the authority is known, the same must be said over a verified connection.
    let second = fetch(&server, Some(&found.authority_pem)).await?;
    if signed_kubeconfig(&second, &token)? != text {
        return Err(DiscoveryError::Changed);
    }
    Ok(found)
}

/// Reads `cluster-info` as nobody. A new node knows a token and the hash of a key, not the authority itself, so the
/// first connection cannot be verified by TLS: nothing secret is sent over it, and what comes is believed only for
/// the signature that the token's secret makes and for the pinned key of the authority in it. With the authority
/// known, the same is asked once more over a verified connection. This is upstream's protocol; only
/// `--discovery-token-unsafe-skip-ca-verification` leaves out the pin.
async fn fetch(server: &str, authority: Option<&str>) -> Result<ConfigMap, DiscoveryError> {
    let failed = |source| DiscoveryError::Request { server: server.to_owned(), source: Box::new(source) };
    let mut config = Config::new(server).map_err(failed)?;
    let config = match authority {
        Some(pem) => {
            config.authorities = Some(Source::Inline(pem.as_bytes().to_vec()));
            config
        }
        None => {
            config.skip_verification = true;
            config.allow_unverified_server()
        }
    };
    let client = Client::new(config).map_err(failed)?;
    let maps = client.namespaced::<ConfigMap>(constants::KUBE_PUBLIC);
    timeout(REQUEST_LIMIT, maps.get(constants::CLUSTER_INFO_CONFIG_MAP))
        .await
        .map_err(|_| DiscoveryError::Silent { server: server.to_owned() })?
        .map_err(failed)
}

/// The kubeconfig of a `cluster-info` if the token signed it.
fn signed_kubeconfig(map: &ConfigMap, token: &Token) -> Result<String, DiscoveryError> {
    let text =
        map.data.get("kubeconfig").filter(|text| !text.is_empty()).ok_or(DiscoveryError::NoKubeconfig)?;
    let signature = map
        .data
        .get(&format!("{SIGNATURE_PREFIX}{}", token.id))
        .filter(|signature| !signature.is_empty())
        .ok_or_else(|| DiscoveryError::UnknownToken { id: token.id.clone() })?;
    if is_signed(text, signature, token) { Ok(text.clone()) } else { Err(DiscoveryError::Signature) }
}

/// Checks a JWS with detached content: `header..signature`, HS256 with the token's secret.
fn is_signed(content: &str, signature: &str, token: &Token) -> bool {
    let Some((header, signature)) = signature.split_once("..") else { return false };
    let parsed = URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let fits = parsed.is_some_and(|header| header["alg"] == "HS256" && header["kid"] == token.id.as_str());
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret.as_bytes());
    fits && hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

fn check_pins(authority_pem: &str, pins: &[String]) -> Result<(), DiscoveryError> {
    let authorities = CertificateFacts::all_from_pem(authority_pem.as_bytes()).unwrap_or_default();
    let found: Vec<String> =
        authorities.iter().map(|authority| public_key_hash(&authority.public_key)).collect();
    let pinned = found.iter().any(|hash| pins.iter().any(|pin| pin.eq_ignore_ascii_case(hash)));
    if pinned { Ok(()) } else { Err(DiscoveryError::Unpinned { found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use component_base::tls::{ExtendedUsage, KeyAlgorithm, Profile, authority::Authority};
    use machinery::Resource as _;

    fn token() -> Token {
        "abcdef.0123456789abcdef".parse().expect("a token")
    }

    fn sign(content: &str, token: &Token) -> String {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, token.id));
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret.as_bytes());
        let tag = hmac::sign(&key, format!("{header}.{}", URL_SAFE_NO_PAD.encode(content)).as_bytes());
        format!("{header}..{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn cluster_info(content: &str, signature: Option<String>) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.data.insert("kubeconfig".to_owned(), content.to_owned());
        map.data.extend(signature.map(|signature| ("jws-kubeconfig-abcdef".to_owned(), signature)));
        map
    }

    #[test]
    fn only_what_the_token_signed_is_believed() {
        let map = cluster_info("text", Some(sign("text", &token())));
        assert_eq!(signed_kubeconfig(&map, &token()).expect("signed"), "text");
        let forged = cluster_info("other", Some(sign("text", &token())));
        assert!(matches!(signed_kubeconfig(&forged, &token()), Err(DiscoveryError::Signature)));
        let other: Token = "abcdef.aaaaaaaaaaaaaaaa".parse().expect("a token");
        assert!(matches!(signed_kubeconfig(&map, &other), Err(DiscoveryError::Signature)));
        let unsigned = cluster_info("text", None);
        assert!(matches!(signed_kubeconfig(&unsigned, &token()), Err(DiscoveryError::UnknownToken { .. })));
        assert!(matches!(
            signed_kubeconfig(&ConfigMap::default(), &token()),
            Err(DiscoveryError::NoKubeconfig)
        ));
        for nonsense in ["", "a", "a..b", "e30..e30"] {
            assert!(!is_signed("text", nonsense, &token()), "{nonsense:?}");
        }
    }

    #[test]
    fn the_authority_must_be_the_pinned_one() {
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let made = |name| {
            Authority::create(&Profile::authority(name, now, now), KeyAlgorithm::EcdsaP256).expect("made")
        };
        let (one, other) = (made("one"), made("other"));
        let pin = public_key_hash(&one.certificate().public_key);
        assert!(
            check_pins(&one.certificate_pem(), &[pin.to_uppercase().replace("SHA256", "sha256")]).is_ok()
        );
        assert!(matches!(check_pins(&other.certificate_pem(), &[pin]), Err(DiscoveryError::Unpinned { .. })));
    }

    #[tokio::test]
    async fn a_server_that_repeats_what_the_cluster_said_is_found_out() {
        component_base::tls::install_provider();
        let now = jiff::Timestamp::now();
        let (from, to) =
            (now - jiff::SignedDuration::from_hours(1), now + jiff::SignedDuration::from_hours(1));
        let authority = |name| {
            Authority::create(&Profile::authority(name, from, to), KeyAlgorithm::EcdsaP256).expect("made")
        };
        let (cluster, other) = (authority("cluster"), authority("other"));
        let text = kubeconfig::cluster_info("https://api.test:6443", &cluster.certificate_pem());
        let body = cluster_info(&text, Some(sign(&text, &token()))).to_object_value().to_string();
        let serve = async |authority: &Authority| {
            let profile = Profile::leaf("kube-apiserver", &[ExtendedUsage::ServerAuth], from, to)
                .with_ip_addresses(["127.0.0.1".parse().expect("an address")]);
            let (certificate, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).expect("issued");
            crate::cluster::testing::serve(&certificate, &key.to_pem(), body.clone()).await
        };
        let discovery = |address: String, pinned: &Authority| BootstrapTokenDiscovery {
            token: token().to_string(),
            api_server_endpoint: address,
            ca_cert_hashes: vec![public_key_hash(&pinned.certificate().public_key)],
            ..BootstrapTokenDiscovery::default()
        };
        let (real, repeater) = (serve(&cluster).await, serve(&other).await);
        let found = by_bootstrap_token(&discovery(real.clone(), &cluster)).await.expect("found");
        assert_eq!(found.server, "https://api.test:6443");
        let unpinned = by_bootstrap_token(&discovery(real, &other)).await;
        assert!(matches!(unpinned, Err(DiscoveryError::Unpinned { .. })), "{unpinned:?}");
        let repeated = by_bootstrap_token(&discovery(repeater, &cluster)).await;
        assert!(matches!(repeated, Err(DiscoveryError::Request { .. })), "{repeated:?}");
    }

    #[test]
    fn a_file_names_the_cluster() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("info.conf");
        std::fs::write(&path, kubeconfig::cluster_info("https://api:6443", "PEM")).expect("written");
        let found =
            by_file(&FileDiscovery { kube_config_path: path.to_string_lossy().into_owned() }).expect("read");
        assert_eq!(found, Found { server: "https://api:6443".to_owned(), authority_pem: "PEM".to_owned() });
    }
}
