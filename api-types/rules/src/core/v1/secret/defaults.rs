//! Defaults of secrets.

use api_types::core::v1::Secret;

/// Type of secrets that name none.
pub const OPAQUE: &str = "Opaque";

/// Defaults of a secret.
pub fn set(secret: &mut Secret) {
    if secret.type_.is_empty() {
        secret.type_ = OPAQUE.to_owned();
    }
}
