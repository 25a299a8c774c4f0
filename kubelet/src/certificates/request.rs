//! Asks the cluster for a certificate: a CertificateSigningRequest, and the wait for its answer.

use std::time::Duration;

use api_types::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use client::Client;
use component_base::Shutdown;
use component_base::tls::{KeyAlgorithm, PrivateKey, Profile, SigningRequest, TlsError};

/// How often to look whether the request was answered.
const POLL: Duration = Duration::from_secs(1);
/// After this long without an answer a new request is made.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("failed to create a certificate signing request")]
    Create(#[source] client::Error),
    #[error("certificate signing request {name} was {verdict}: {message}")]
    Refused { name: String, verdict: &'static str, message: String },
    #[error("certificate signing request {0} was not answered in time")]
    Unanswered(String),
    #[error("shutting down")]
    Shutdown,
}

/// A certificate with its key, both PEM.
pub(super) struct Issued {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// Requests a certificate of a signer and waits until it is issued.
pub(super) async fn request(
    client: &Client,
    signer: &str,
    usage: &str,
    profile: &Profile,
    shutdown: &Shutdown,
) -> Result<Issued, RequestError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let pem = SigningRequest::create(profile, &key)?;
    let requests = client.all::<CertificateSigningRequest>();
    let mut asked = CertificateSigningRequest {
        spec: CertificateSigningRequestSpec {
            request: pem.into_bytes(),
            signer_name: signer.to_owned(),
            usages: vec!["digital signature".to_owned(), usage.to_owned()],
            ..CertificateSigningRequestSpec::default()
        },
        ..CertificateSigningRequest::default()
    };
    asked.metadata.generate_name = "csr-".to_owned();
    let created = requests.create(&asked).await.map_err(RequestError::Create)?;
    let name = created.metadata.name;
    tracing::info!(name, signer, "certificate signing request created, waiting for it to be issued");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        if !shutdown.sleep(POLL).await {
            return Err(RequestError::Shutdown);
        }
        let request = match requests.get(&name).await {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, name, "failed to read the certificate signing request");
                continue;
            }
        };
        for (type_, verdict) in [("Denied", "denied"), ("Failed", "failed")] {
            let found = request.status.conditions.iter().find(|condition| condition.type_ == type_);
            if let Some(condition) = found {
                return Err(RequestError::Refused { name, verdict, message: condition.message.clone() });
            }
        }
        let approved = request.status.conditions.iter().any(|condition| condition.type_ == "Approved");
        if approved && !request.status.certificate.is_empty() {
            return Ok(Issued { certificate: request.status.certificate, key: key.to_pem().into_bytes() });
        }
    }
    Err(RequestError::Unanswered(name))
}
