//! The kubelet's certificates: the client certificate by TLS bootstrap and rotation, and the serving certificate.

mod bootstrap;
mod request;
mod rotation;
mod serving;
mod store;

pub use self::bootstrap::{BootstrapError, client_config};
pub use self::rotation::{Rotation, Wanted};
pub use self::serving::{serving_identity, serving_store};
pub use self::store::{CertificateStore, StoreError};
