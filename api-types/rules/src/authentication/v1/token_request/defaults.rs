//! Defaults of token requests.

use api_types::authentication::v1::TokenRequest;

/// Defaults of a token request: an hour.
pub fn set(request: &mut TokenRequest) {
    request.spec.expiration_seconds.get_or_insert(3600);
}
