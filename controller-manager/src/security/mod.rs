//! Controllers that hand out identities, keys and rights.

pub(crate) mod bootstrap_signer;
mod bootstrap_tokens;
pub(crate) mod clusterrole_aggregation;
pub(crate) mod root_ca_publisher;
pub(crate) mod service_account_tokens;
pub(crate) mod service_accounts;
pub(crate) mod signing_requests;
pub(crate) mod token_cleaner;
