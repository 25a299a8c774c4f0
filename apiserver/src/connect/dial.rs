//! Opens connections to kubelets and workloads.

use std::sync::Arc;
use std::time::Duration;

use component_base::tls::client::{ServerAuthorities, client_config};
use component_base::tls::server::Identity;
use component_base::tls::{Reloaded, TlsError, provider};
use machinery::status::StatusError;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::location::{Peer, Target};
use super::trust::OwnAuthority;

/// A byte stream to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long a connection to a workload may take to open.
const WORKLOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections.
pub struct Dialer {
    kubelet: TlsConnector,
    /// Whether kubelets are verified against a given authority, so that the name matters.
    kubelet_authority: bool,
    workload: TlsConnector,
    kubelet_timeout: Duration,
}

impl Dialer {
    /// `identity` is the client certificate shown to kubelets, `authorities` what their certificates are
    /// verified against, `kubelet_timeout` how long a connection to one may take to open.
    pub fn new(
        identity: Option<Identity>,
        authorities: Option<Reloaded<ServerAuthorities>>,
        kubelet_timeout: Duration,
    ) -> Result<Dialer, TlsError> {
        let kubelet_authority = authorities.is_some();
        let kubelet = match authorities {
            Some(authorities) => client_config(authorities, identity, &["http/1.1"])?,
            None => own_authority_config(identity)?,
        };
        Ok(Dialer {
            kubelet: kubelet.into(),
            kubelet_authority,
            workload: own_authority_config(None)?.into(),
            kubelet_timeout,
        })
    }

    /// Opens a connection to the target.
    pub async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, StatusError> {
        let failed = |error: &dyn std::fmt::Display| {
            StatusError::internal_error(format!("error dialing backend: {error}"))
        };
        let dial = async {
            let host = target.host.trim_matches(['[', ']']);
            let stream = TcpStream::connect((host, target.port))
                .await
                .map_err(|error| failed(&format!("dial tcp {}: {error}", target.authority())))?;
            let _ = stream.set_nodelay(true);
            let connector = match target.peer {
                Peer::Plain => return Ok(Box::new(stream) as Box<dyn Stream>),
                Peer::Kubelet => &self.kubelet,
                Peer::Tls => &self.workload,
            };
            let name = ServerName::try_from(host.to_string())
                .map_err(|_| failed(&format!("{host:?} is neither a name nor an address")))?;
            let stream = connector.connect(name, stream).await.map_err(|error| failed(&error))?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        };
        let longest = if target.peer == Peer::Kubelet { self.kubelet_timeout } else { WORKLOAD_TIMEOUT };
        match tokio::time::timeout(longest, dial).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(&format!("dial tcp {}: i/o timeout", target.authority()))),
        }
    }

    /// Whether kubelets are verified against a given authority.
    pub fn verifies_kubelets(&self) -> bool {
        self.kubelet_authority
    }
}

fn own_authority_config(identity: Option<Identity>) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| TlsError::Config(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnAuthority));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(ShowIdentity(identity))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Shows the newest version of our certificate.
#[derive(Debug)]
struct ShowIdentity(Identity);

impl rustls::client::ResolvesClientCert for ShowIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
