//! Connecting to etcd: endpoints, TLS, and which behaviour the servers' version allows.

use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};

use super::deadline;
use crate::error::StorageError;

/// Upstream's keep-alive towards etcd: a ping after 30 s of silence, 10 s for its answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Upstream's dial timeout.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Where etcd is and how to prove who we are.
#[derive(Clone, Debug, Default)]
pub struct EtcdOptions {
    /// Client URLs, e.g. `https://127.0.0.1:2379` (`--etcd-servers`).
    pub endpoints: Vec<String>,
    /// Needed for `https` URLs.
    pub tls: Option<EtcdTls>,
}

/// PEM contents of the three files of the etcd client.
#[derive(Clone, Default)]
pub struct EtcdTls {
    /// The CA of the servers (`--etcd-cafile`); the system's roots when absent.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and key (`--etcd-certfile`, `--etcd-keyfile`).
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for EtcdTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        formatter
            .debug_struct("EtcdTls")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

pub(super) struct Connected {
    pub client: Client,
    pub reliable_progress: bool,
}

pub(super) async fn connect(options: &EtcdOptions) -> Result<Connected, StorageError> {
    if options.endpoints.is_empty() {
        return Err(StorageError::Invalid("etcd needs at least one endpoint (--etcd-servers)".to_owned()));
    }
    let client = open(&options.endpoints, options).await?;
    // Each server is asked on its own connection: the oldest decides. One that is down does not stop us, as
    // long as another answers; it counts as old, since nothing is known of it.
    let mut answered = false;
    let mut reliable_progress = true;
    let mut last_error = None;
    for endpoint in &options.endpoints {
        match server_version(endpoint, options).await {
            Ok(version) => {
                answered = true;
                reliable_progress &= has_reliable_progress(&version);
                tracing::info!(endpoint, version, "etcd answers");
            }
            Err(error) => {
                reliable_progress = false;
                tracing::warn!(endpoint, %error, "etcd endpoint does not answer");
                last_error = Some(error);
            }
        }
    }
    match last_error {
        Some(error) if !answered => Err(error),
        _ => Ok(Connected { client, reliable_progress }),
    }
}

async fn server_version(endpoint: &str, options: &EtcdOptions) -> Result<String, StorageError> {
    let endpoint = endpoint.to_owned();
    let client = open(std::slice::from_ref(&endpoint), options).await?;
    let mut maintenance = client.maintenance_client();
    let limit =
        tokio::time::timeout(DIAL_TIMEOUT, deadline("read the server version", false, maintenance.status()));
    match limit.await {
        Ok(status) => Ok(status?.version().to_owned()),
        Err(_) => Err(StorageError::Backend {
            operation: "read the server version",
            reason: format!("{endpoint} did not answer within {} s", DIAL_TIMEOUT.as_secs()),
            source: None,
            uncertain: false,
        }),
    }
}

async fn open(endpoints: &[String], options: &EtcdOptions) -> Result<Client, StorageError> {
    let mut connect = ConnectOptions::new()
        .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
        .with_keep_alive_while_idle(true)
        .with_connect_timeout(DIAL_TIMEOUT)
        // A member without a leader must not feed us a stale watch.
        .with_require_leader(true);
    if let Some(tls) = &options.tls {
        let mut config = TlsOptions::new();
        config = match &tls.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(ca)),
            None => config.with_enabled_roots(),
        };
        if let Some((certificate, key)) = &tls.identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        connect = connect.with_tls(config);
    }
    deadline("connect to etcd", false, Client::connect(endpoints, Some(connect))).await
}

/// Progress requests overtook events before 3.4.31 and 3.5.13; the versions are those upstream checks for.
fn has_reliable_progress(version: &str) -> bool {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(3), Some(minor), _) if minor < 4 => false,
        (Some(3), Some(4), Some(patch)) => patch >= 31,
        (Some(3), Some(5), Some(patch)) => patch >= 13,
        (Some(3), Some(_), Some(_)) => true,
        (Some(major), Some(_), Some(_)) => major > 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::has_reliable_progress;

    #[test]
    fn versions() {
        let check = |version, expected| assert_eq!(has_reliable_progress(version), expected, "{version}");
        check("3.4.23", false);
        check("3.4.31", true);
        check("3.5.0", false);
        check("3.5.12", false);
        check("3.5.13", true);
        check("3.6.0-rc.1", true);
        check("4.0.0", true);
        check("3.3.99", false);
        check("nonsense", false);
        check("", false);
    }
}
