//! How the kubelet comes by its client certificate: from its kubeconfig, or by TLS bootstrap with a token.

use std::path::{Path, PathBuf};

use client::config::Source;
use client::kubeconfig::{Cluster, Context, Kubeconfig, NamedCluster, NamedContext, NamedUser, User};
use client::{Client, Config};
use component_base::Shutdown;
use component_base::tls::{ExtendedUsage, Profile, TlsError, files};
use jiff::Timestamp;

use super::request::{self, RequestError};
use super::store::{CertificateStore, StoreError};
use crate::options::Options;

/// The signer of kubelets' client certificates.
pub(super) const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// Why there is no client certificate.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{}: {message}", path.display())]
    Kubeconfig { path: PathBuf, message: String },
    #[error("unable to read existing bootstrap client config: {} does not exist, and neither does {}", bootstrap.display(), kubeconfig.display())]
    Nothing { kubeconfig: PathBuf, bootstrap: PathBuf },
    #[error("failed to write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The subject of a node's client certificate.
pub(super) fn client_profile(node_name: &str) -> Profile {
    let now = Timestamp::now();
    // The signer decides how long it lives; a request carries no dates.
    Profile::leaf(&format!("system:node:{node_name}"), &[ExtendedUsage::ClientAuth], now, now)
        .with_organizations(["system:nodes"])
}

/// The client configuration of this kubelet: `None` in standalone mode, or on shutdown while waiting for a certificate.
pub async fn client_config(
    options: &Options,
    node_name: &str,
    rotate: bool,
    shutdown: &Shutdown,
) -> Result<Option<Config>, BootstrapError> {
    let Some(kubeconfig) = &options.kubeconfig else { return Ok(None) };
    let store = CertificateStore::new(&options.cert_dir, "kubelet-client");
    if !is_usable(kubeconfig) {
        let Some(bootstrap) = options.bootstrap_kubeconfig.as_ref().filter(|path| path.exists()) else {
            if kubeconfig.exists() {
                // What is wrong with it, in the client's words.
                Config::from_kubeconfig_file(kubeconfig)?;
            }
            return Err(BootstrapError::Nothing {
                kubeconfig: kubeconfig.clone(),
                bootstrap: options.bootstrap_kubeconfig.clone().unwrap_or_default(),
            });
        };
        if !bootstrap_certificate(bootstrap, &store, node_name, shutdown).await? {
            return Ok(None);
        }
        write_kubeconfig(bootstrap, kubeconfig, &store.current_path())?;
    }
    let mut config = Config::from_kubeconfig_file(kubeconfig)?;
    if rotate && let Some((certificate, key)) = config.identity.clone() {
        // Rotation works on the store: it begins with what the kubeconfig carries.
        if store.current().is_none_or(|facts| !facts.is_valid_at(Timestamp::now())) {
            store.update(
                &certificate_only(&certificate.read()?)?,
                &key_only(&key.read()?)?,
                Timestamp::now(),
            )?;
        }
        let current = Source::File(store.current_path());
        config.identity = Some((current.clone(), current));
    }
    Ok(Some(config))
}

/// Whether the kubeconfig exists and its certificate has not expired.
fn is_usable(kubeconfig: &Path) -> bool {
    let Ok(config) = Config::from_kubeconfig_file(kubeconfig) else { return false };
    let Some((certificate, _)) = &config.identity else { return true };
    let Ok(pem) = certificate.read() else { return false };
    component_base::tls::CertificateFacts::first_from_pem(&pem)
        .is_ok_and(|facts| facts.not_after > Timestamp::now())
}

/// Gets the first certificate with the bootstrap credentials. Returns false on shutdown.
async fn bootstrap_certificate(
    bootstrap: &Path,
    store: &CertificateStore,
    node_name: &str,
    shutdown: &Shutdown,
) -> Result<bool, BootstrapError> {
    if store.current().is_some_and(|facts| facts.is_valid_at(Timestamp::now())) {
        tracing::info!("the client certificate of an earlier bootstrap is still good");
        return Ok(true);
    }
    let client = Client::new(Config::from_kubeconfig_file(bootstrap)?)?;
    let profile = client_profile(node_name);
    loop {
        match request::request(&client, SIGNER, "client auth", &profile, shutdown).await {
            Ok(issued) => {
                store.update(&issued.certificate, &issued.key, Timestamp::now())?;
                return Ok(true);
            }
            Err(RequestError::Shutdown) => return Ok(false),
            Err(error) => {
                let error = component_base::run::error_chain(&error);
                tracing::error!(error, "failed to get a client certificate by bootstrap");
            }
        }
        if !shutdown.sleep(std::time::Duration::from_secs(5)).await {
            return Ok(false);
        }
    }
}

/// Writes the kubeconfig: the cluster of the bootstrap one, and the certificate in the store.
fn write_kubeconfig(bootstrap: &Path, kubeconfig: &Path, certificate: &Path) -> Result<(), BootstrapError> {
    let refuse = |message: String| BootstrapError::Kubeconfig { path: bootstrap.to_owned(), message };
    let mut read = Kubeconfig::from_file(bootstrap)?;
    read.resolve_paths(bootstrap);
    let context = read
        .contexts
        .iter()
        .find(|context| context.name == read.current_context)
        .ok_or_else(|| refuse(format!("current-context {:?} does not exist", read.current_context)))?;
    let cluster: Cluster = read
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.context.cluster)
        .map(|cluster| cluster.cluster.clone())
        .ok_or_else(|| refuse(format!("cluster {:?} does not exist", context.context.cluster)))?;
    let written = Kubeconfig {
        api_version: "v1".to_owned(),
        kind: "Config".to_owned(),
        clusters: vec![NamedCluster {
            name: "default-cluster".to_owned(),
            cluster,
            ..NamedCluster::default()
        }],
        users: vec![NamedUser {
            name: "default-auth".to_owned(),
            user: User {
                client_certificate: Some(certificate.to_owned()),
                client_key: Some(certificate.to_owned()),
                ..User::default()
            },
            ..NamedUser::default()
        }],
        contexts: vec![NamedContext {
            name: "default-context".to_owned(),
            context: Context {
                cluster: "default-cluster".to_owned(),
                user: "default-auth".to_owned(),
                ..Context::default()
            },
            ..NamedContext::default()
        }],
        current_context: "default-context".to_owned(),
        ..Kubeconfig::default()
    };
    let text = serde_yaml::to_string(&written).map_err(|error| refuse(error.to_string()))?;
    if let Some(parent) = kubeconfig.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|source| BootstrapError::Write { path: kubeconfig.to_owned(), source })?;
    }
    files::write_private(kubeconfig, text.as_bytes())?;
    Ok(())
}

/// The certificates of a PEM file that may hold a key too.
fn certificate_only(pem: &[u8]) -> Result<Vec<u8>, TlsError> {
    let chain = files::parse_certificates(pem)?;
    Ok(chain.iter().map(|certificate| files::certificate_pem(certificate)).collect::<String>().into_bytes())
}

/// The key of a PEM file that may hold certificates too.
fn key_only(pem: &[u8]) -> Result<Vec<u8>, TlsError> {
    use rustls_pki_types::PrivateKeyDer;
    let key = files::parse_key(pem)?;
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    Ok(files::pem(label, key.secret_der()).into_bytes())
}
