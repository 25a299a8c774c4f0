//! What the caches know about a token Secret and its ServiceAccount.

use std::sync::Arc;

use api_types::core::v1::{Secret, ServiceAccount};
use jiff::Timestamp;
use runtime::{Controller, ObjectKey, Plan, Store};

use super::plan::{ACCOUNT_NAME, ACCOUNT_UID};
use super::signer::Signer;

/// The controller: its caches and its key.
pub(super) struct Tokens {
    pub accounts: Store<ServiceAccount>,
    pub secrets: Store<Secret>,
    pub signer: Arc<Signer>,
    pub root_ca: Arc<str>,
}

/// Everything a decision is made from.
pub(super) struct Inputs {
    pub secret: Arc<Secret>,
    /// The account the Secret names, when it exists and is the very one.
    pub account: Option<Arc<ServiceAccount>>,
    pub signer: Arc<Signer>,
    pub root_ca: Arc<str>,
}

/// Key of the ServiceAccount a Secret names.
pub(super) fn account_of(secret: &Secret) -> Option<ObjectKey> {
    let name = secret.metadata.annotations.get(ACCOUNT_NAME).filter(|name| !name.is_empty())?;
    Some(ObjectKey::new(&secret.metadata.namespace, name))
}

impl Controller for Tokens {
    type Inputs = Inputs;

    fn gather(&self, key: &ObjectKey) -> Option<Inputs> {
        let secret = self.secrets.get(key)?;
        let named = self.accounts.get(&account_of(&secret)?);
        let wanted = secret.metadata.annotations.get(ACCOUNT_UID).filter(|uid| !uid.is_empty());
        let account = named.filter(|account| wanted.is_none_or(|uid| *uid == account.metadata.uid));
        Some(Inputs { secret, account, signer: Arc::clone(&self.signer), root_ca: Arc::clone(&self.root_ca) })
    }

    fn plan(inputs: &Inputs, _: Timestamp) -> Plan {
        super::plan::plan(inputs)
    }
}
