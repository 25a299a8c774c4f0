//! Controllers that hand out identities, keys and rights.

pub(crate) mod root_ca_publisher;
pub(crate) mod service_account_tokens;
pub(crate) mod service_accounts;
pub(crate) mod signing_requests;
