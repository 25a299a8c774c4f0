//! The cluster's certificates and keys: which there are, when they are made, and when existing ones are kept.

pub mod specs;
pub mod store;

use std::path::PathBuf;

use component_base::tls::TlsError;

/// Why a certificate or key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot obtain key size from unknown encryption algorithm: {algorithm:?}")]
    Algorithm { algorithm: String },
    #[error("unable to make certificate or key {name:?}")]
    Make { name: String, source: TlsError },
    #[error("couldn't load {path:?}")]
    Load { path: PathBuf, source: TlsError },
    #[error("failure loading {name} certificate: the file {path:?} does not exist")]
    Missing { name: String, path: PathBuf },
    #[error("certificate {name} is not a CA")]
    NotAnAuthority { name: String },
    #[error("certificate {name} is not signed by corresponding CA")]
    ForeignAuthority { name: String },
    #[error("the key of certificate {name} does not belong to it")]
    ForeignKey { name: String },
    #[error("certificate {name} is invalid: {complaint}")]
    Unusable { name: String, complaint: String },
    #[error(
        "the {name} CA has no key at {path:?}, so the certificate {leaf:?} cannot be made; provide it, or the key"
    )]
    ExternalAuthority { name: String, leaf: String, path: PathBuf },
    #[error(transparent)]
    File(#[from] crate::host::files::FileError),
}
