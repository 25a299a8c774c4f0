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
use super::trust::AnyCertificate;

/// A byte stream to a peer.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long a connection to a workload may take to open.
const WORKLOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the certificates of kubelets are judged by.
#[derive(Debug)]
pub enum KubeletTrust {
    /// `--kubelet-certificate-authority`: a certificate must be signed by it and be for the address that is called.
    Authorities(Reloaded<ServerAuthorities>),
    /// `--kubelet-insecure-tls`: any certificate does.
    Any,
    /// Neither was given: no kubelet can be believed.
    Nothing,
}

/// Said when there is nothing to verify kubelets by.
const NO_AUTHORITY: &str = "kube-apiserver was started without --kubelet-certificate-authority, so it cannot verify \
     the kubelet. Give it the file of the authority that signs the kubelets' serving certificates \
     (/etc/kubernetes/pki/ca.crt when kubelets have serverTLSBootstrap: true), or --kubelet-insecure-tls=true to \
     accept any certificate";
/// Said when a kubelet's certificate is refused.
const REFUSED: &str = "the kubelet must serve with a certificate for this address that --kubelet-certificate-authority \
     signed: set serverTLSBootstrap: true in its configuration, and see that its request is approved (kubectl get csr)";

/// Opens connections.
pub struct Dialer {
    /// None when no kubelet can be believed.
    kubelet: Option<TlsConnector>,
    /// For those who ask not to verify.
    any_kubelet: TlsConnector,
    workload: TlsConnector,
    kubelet_timeout: Duration,
}

impl Dialer {
    /// `identity` is the client certificate shown to kubelets, `trust` what theirs are verified against,
    /// `kubelet_timeout` how long a connection to one may take to open.
    pub fn new(
        identity: Option<Identity>,
        trust: KubeletTrust,
        kubelet_timeout: Duration,
    ) -> Result<Dialer, TlsError> {
        let any_kubelet: TlsConnector = unverified_config(identity.clone())?.into();
        let kubelet = match trust {
            KubeletTrust::Authorities(authorities) => {
                Some(client_config(authorities, identity, &["http/1.1"])?.into())
            }
            KubeletTrust::Any => Some(any_kubelet.clone()),
            KubeletTrust::Nothing => None,
        };
        Ok(Dialer { kubelet, any_kubelet, workload: unverified_config(None)?.into(), kubelet_timeout })
    }

    /// Opens a connection to the target.
    pub async fn open(&self, target: &Target) -> Result<Box<dyn Stream>, StatusError> {
        let failed = |error: &dyn std::fmt::Display| {
            StatusError::internal_error(format!("error dialing backend: {error}"))
        };
        let connector = match target.peer {
            Peer::Plain => None,
            Peer::Kubelet => Some(self.kubelet.as_ref().ok_or_else(|| failed(&NO_AUTHORITY))?),
            Peer::UnverifiedKubelet => Some(&self.any_kubelet),
            Peer::Tls => Some(&self.workload),
        };
        let dial = async {
            let host = target.host.trim_matches(['[', ']']);
            let stream = TcpStream::connect((host, target.port))
                .await
                .map_err(|error| failed(&format!("dial tcp {}: {error}", target.authority())))?;
            let _ = stream.set_nodelay(true);
            let Some(connector) = connector else { return Ok(Box::new(stream) as Box<dyn Stream>) };
            let name = ServerName::try_from(host.to_string())
                .map_err(|_| failed(&format!("{host:?} is neither a name nor an address")))?;
            let stream = connector.connect(name, stream).await.map_err(|error| {
                if target.peer == Peer::Kubelet && is_about_certificate(&error) {
                    return failed(&format!("{}: {error}: {REFUSED}", target.authority()));
                }
                failed(&error)
            })?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        };
        let longest = match target.peer {
            Peer::Kubelet | Peer::UnverifiedKubelet => self.kubelet_timeout,
            Peer::Tls | Peer::Plain => WORKLOAD_TIMEOUT,
        };
        match tokio::time::timeout(longest, dial).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(&format!("dial tcp {}: i/o timeout", target.authority()))),
        }
    }
}

fn is_about_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

fn unverified_config(identity: Option<Identity>) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| TlsError::Config(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(ShowIdentity(identity))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Shows the newest version of our certificate.
#[derive(Debug)]
pub(super) struct ShowIdentity(pub(super) Identity);

impl rustls::client::ResolvesClientCert for ShowIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use component_base::tls::server::{ServerOptions, certified_key, server_config};
    use component_base::tls::{Authority, ExtendedUsage, KeyAlgorithm, Profile};
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    /// Somebody who serves with a certificate whose authority is shown to nobody, valid for the given hours from now.
    async fn peer(authority: &Authority, address: &str, hours: std::ops::Range<i64>) -> u16 {
        let at = |hours: i64| Timestamp::now() + SignedDuration::from_hours(hours);
        let profile = Profile::leaf("peer", &[ExtendedUsage::ServerAuth], at(hours.start), at(hours.end))
            .with_ip_addresses([address.parse().unwrap()]);
        let (certificate, key) = authority.issue(&profile, KeyAlgorithm::EcdsaP256).unwrap();
        let identity = certified_key(certificate.as_bytes(), key.to_pem().as_bytes()).unwrap();
        let options = ServerOptions::new(Reloaded::fixed(identity));
        let acceptor = tokio_rustls::TlsAcceptor::from(server_config(&options).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        port
    }

    fn authority() -> Authority {
        let at = |hours: i64| Timestamp::now() + SignedDuration::from_hours(hours);
        Authority::create(&Profile::authority("ca", at(-9), at(9)), KeyAlgorithm::EcdsaP256).unwrap()
    }

    async fn check(dialer: &Dialer, peer: Peer, port: u16, expected: Result<(), &str>) {
        let target = Target {
            peer,
            host: "127.0.0.1".into(),
            port,
            path: "/".into(),
            query: String::new(),
            names: Vec::new(),
        };
        match (dialer.open(&target).await, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(part)) => {
                assert!(error.status.message.contains(part), "{}", error.status.message);
            }
            (outcome, _) => panic!("{peer:?}: {:?}", outcome.map(drop)),
        }
    }

    #[tokio::test]
    async fn workloads_may_serve_what_they_like_and_kubelets_may_not() {
        let (cluster, other) = (authority(), authority());
        let known = ServerAuthorities::from_pem(cluster.certificate_pem().as_bytes()).unwrap();
        let trust = KubeletTrust::Authorities(Reloaded::fixed(known));
        let dialer = Dialer::new(None, trust, WORKLOAD_TIMEOUT).unwrap();
        for (authority, address, hours, kubelet) in [
            (&cluster, "127.0.0.1", -1..1, Ok(())),
            (&cluster, "127.0.0.1", -2..-1, Err("serverTLSBootstrap")),
            (&cluster, "192.0.2.1", -1..1, Err("serverTLSBootstrap")),
            (&other, "127.0.0.1", -1..1, Err("kubectl get csr")),
        ] {
            let port = peer(authority, address, hours).await;
            check(&dialer, Peer::Kubelet, port, kubelet).await;
            check(&dialer, Peer::UnverifiedKubelet, port, Ok(())).await;
            check(&dialer, Peer::Tls, port, Ok(())).await;
        }
        let untold = Dialer::new(None, KubeletTrust::Nothing, WORKLOAD_TIMEOUT).unwrap();
        check(&untold, Peer::Kubelet, 1, Err("--kubelet-certificate-authority")).await;
    }
}
