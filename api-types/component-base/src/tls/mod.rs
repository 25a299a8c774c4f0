//! TLS and certificates: serving and calling with identities that follow their files, making
//! certificates, and looking into them.
//!
//! There is one stack, rustls on aws-lc-rs. Nothing here skips verification.

pub mod authority;
pub mod certificate;
pub mod client;
mod der;
pub mod files;
pub mod inspect;
pub mod key;
pub mod reload;
pub mod request;
pub mod server;

use std::sync::Arc;

pub use authority::Authority;
pub use certificate::{ExtendedUsage, Profile, Usage};
pub use inspect::CertificateFacts;
pub use key::{KeyAlgorithm, PrivateKey};
pub use reload::Reloaded;
pub use request::SigningRequest;

/// What can go wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which file.
        path: std::path::PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// Which file.
        path: std::path::PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else than was expected.
    #[error("{}", path.display())]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<TlsError>,
    },
    /// PEM without the wanted block, or malformed.
    #[error("{what}: {message}")]
    Pem {
        /// "certificate", "private key" …
        what: &'static str,
        /// Parser's message.
        message: String,
    },
    /// DER that is not what it claims to be.
    #[error("failed to parse {what}: {message}")]
    Malformed {
        /// "certificate", "certificate request" …
        what: &'static str,
        /// Parser's message.
        message: String,
    },
    /// A key of a kind that cannot sign here, or key generation that failed.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate and a key that do not belong together.
    #[error("private key does not match the certificate of {0:?}")]
    Mismatch(String),
    /// A profile or request that cannot become a certificate.
    #[error("{field}: invalid value {value:?}: {rule}")]
    Profile {
        /// Field of the profile.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A certificate that is not trusted.
    #[error("certificate of {subject:?} is not trusted: {reason}")]
    Untrusted {
        /// Common name of the certificate.
        subject: String,
        /// Verifier's message.
        reason: String,
    },
    /// rustls refused a configuration.
    #[error("tls configuration: {0}")]
    Config(String),
}

/// The one crypto provider.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    rustls::crypto::CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// Makes [`provider`] the default of the process, for libraries that ask for it; safe to call twice.
pub fn install_provider() {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::trace!("a crypto provider is already installed");
    }
}
