//! Flags and start of the HTTPS server beside a component's work (`apiserver/pkg/server/options`).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Config};
use component_base::Shutdown;
use component_base::flags::{parse_bool, parse_duration};
use component_base::server::SideServer;
use component_base::tls::server::{
    ClientCertificates, ServerOptions, identity_from_files, self_made_identity, server_config,
};
use component_base::tls::{Reloaded, TlsError};
use tokio::net::TcpListener;

use crate::delegation::{DelegatedGate, Trust};

/// Where and as whom to serve, to be flattened into a component's options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Secure serving flags")]
pub struct SecureServingOptions {
    /// The IP address on which to listen for the --secure-port port
    #[arg(long, default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// The port on which to serve HTTPS with authentication and authorization; 0 for none. The component's
    /// own port when not given
    #[arg(long)]
    pub secure_port: Option<u16>,
    /// Directory for a self-made certificate, used when --tls-cert-file is not given; empty to keep it in
    /// a temporary folder
    #[arg(long, default_value = "")]
    pub cert_dir: String,
    /// File with the x509 certificate for HTTPS
    #[arg(long, requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// File with the private key of --tls-cert-file
    #[arg(long, requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,
    /// Comma-separated list of cipher suites for the server
    #[arg(long, value_delimiter = ',')]
    pub tls_cipher_suites: Vec<String>,
    /// Minimum TLS version supported
    #[arg(long, default_value = "VersionTLS12", value_parser = ["VersionTLS12", "VersionTLS13"])]
    pub tls_min_version: String,
}

/// How callers are recognized, to be flattened into a component's options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Authentication and authorization flags")]
pub struct DelegationOptions {
    /// kubeconfig file of the user that may create tokenreviews; the component's own when not given
    #[arg(long)]
    pub authentication_kubeconfig: Option<PathBuf>,
    /// kubeconfig file of the user that may create subjectaccessreviews; the component's own when not given
    #[arg(long)]
    pub authorization_kubeconfig: Option<PathBuf>,
    /// Do not read missing authentication configuration from the cluster
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool)]
    pub authentication_skip_lookup: bool,
    /// How long answers of the token authenticator are remembered
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub authentication_token_webhook_cache_ttl: Duration,
    /// How long "authorized" is remembered
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub authorization_webhook_cache_authorized_ttl: Duration,
    /// How long "unauthorized" is remembered
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub authorization_webhook_cache_unauthorized_ttl: Duration,
    /// HTTP paths open to everyone
    #[arg(long, value_delimiter = ',', default_value = "/healthz,/readyz,/livez")]
    pub authorization_always_allow_paths: Vec<String>,
    /// Authorities of client certificates whose CommonName is the user
    #[arg(long)]
    pub client_ca_file: Option<PathBuf>,
    /// Authorities of the front proxies whose user headers are trusted
    #[arg(long)]
    pub requestheader_client_ca_file: Option<PathBuf>,
    /// CommonNames of front proxies; empty for any
    #[arg(long, value_delimiter = ',')]
    pub requestheader_allowed_names: Vec<String>,
    /// Headers a front proxy puts the user name into
    #[arg(long, value_delimiter = ',', default_value = "x-remote-user")]
    pub requestheader_username_headers: Vec<String>,
    /// Headers a front proxy puts the groups into
    #[arg(long, value_delimiter = ',', default_value = "x-remote-group")]
    pub requestheader_group_headers: Vec<String>,
    /// Prefixes of headers a front proxy puts extra attributes into
    #[arg(long, value_delimiter = ',', default_value = "x-remote-extra-")]
    pub requestheader_extra_headers_prefix: Vec<String>,
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Certificates or keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A kubeconfig for delegation.
    #[error(transparent)]
    Client(#[from] client::Error),
}

impl SecureServingOptions {
    /// Starts serving in a task; nothing when the port is 0. `program` names the self-made certificate.
    pub async fn start(
        &self,
        program: &str,
        default_port: u16,
        server: SideServer,
        shutdown: &Shutdown,
    ) -> Result<(), ServingError> {
        let port = self.secure_port.unwrap_or(default_port);
        if port == 0 {
            return Ok(());
        }
        let identity = match (&self.tls_cert_file, &self.tls_private_key_file) {
            (Some(certificate), Some(key)) => identity_from_files(certificate, key)?,
            _ => {
                let temporary = std::env::temp_dir().join(format!("{program}-{}", std::process::id()));
                let folder = if self.cert_dir.is_empty() { temporary } else { PathBuf::from(&self.cert_dir) };
                let names = [hostname(), "localhost".to_owned()];
                let addresses = [IpAddr::from([127, 0, 0, 1]), self.bind_address];
                self_made_identity(&folder, program, &names, &addresses, jiff::Timestamp::now())?
            }
        };
        identity.keep_fresh(shutdown);
        let mut options = ServerOptions::new(identity).with_clients(ClientCertificates::Request);
        options.only_tls13 = self.tls_min_version == "VersionTLS13";
        options.cipher_suites.clone_from(&self.tls_cipher_suites);
        let tls = server_config(&options)?;
        let address = SocketAddr::new(self.bind_address, port);
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServingError::Listen { address, source })?;
        tracing::info!(%address, "serving securely");
        tokio::spawn(server.serve(listener, Some(tls), shutdown.clone()));
        Ok(())
    }
}

impl DelegationOptions {
    /// The gate these flags describe; `own` is the component's client.
    pub async fn gate(&self, own: &Client, shutdown: &Shutdown) -> Result<Arc<DelegatedGate>, ServingError> {
        let client_of = |path: &Option<PathBuf>| match path {
            Some(path) => Client::new(
                Config::from_kubeconfig_file(path)?.with_user_agent(own.config().user_agent.clone()),
            ),
            None => Ok(own.clone()),
        };
        let authentication = client_of(&self.authentication_kubeconfig)?;
        let authorization = client_of(&self.authorization_kubeconfig)?;
        let mut trust = Trust {
            allowed_names: self.requestheader_allowed_names.clone(),
            username_headers: self.requestheader_username_headers.clone(),
            group_headers: self.requestheader_group_headers.clone(),
            extra_prefixes: self.requestheader_extra_headers_prefix.clone(),
            ..Trust::default()
        };
        let from_file = |path: &Option<PathBuf>| -> Result<_, TlsError> {
            let Some(path) = path else { return Ok(None) };
            let authorities = component_base::tls::server::ClientAuthorities::from_file(path)?;
            Reloaded::keep_fresh(&authorities, shutdown);
            Ok(Some(authorities))
        };
        trust.clients = from_file(&self.client_ca_file)?;
        trust.proxies = from_file(&self.requestheader_client_ca_file)?;
        if !self.authentication_skip_lookup && (trust.clients.is_none() || trust.proxies.is_none()) {
            trust.look_up(&authentication).await;
        }
        let lifetimes = crate::delegation::Lifetimes {
            token: self.authentication_token_webhook_cache_ttl,
            allowed: self.authorization_webhook_cache_authorized_ttl,
            denied: self.authorization_webhook_cache_unauthorized_ttl,
        };
        Ok(Arc::new(DelegatedGate::new(trust, authentication, authorization, lifetimes)))
    }
}

/// Name of this machine, as `uname -n` prints it.
pub fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
