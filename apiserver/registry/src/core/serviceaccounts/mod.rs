//! Service accounts.

pub mod columns;

use crate::{Column, Context, Entry, Row, Strategy};
use api_types::core::v1::{ObjectReference, ServiceAccount};
use machinery::field::ErrorList;
use rules::core::v1::service_account::validation;

const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

/// The row.
pub fn entry() -> Entry {
    Entry::new(&ServiceAccounts).token()
}

/// Strategy of the resource.
pub struct ServiceAccounts;

/// Only the names of secrets matter.
fn keep_names(account: &mut ServiceAccount) {
    for secret in &mut account.secrets {
        *secret = ObjectReference { name: std::mem::take(&mut secret.name), ..Default::default() };
    }
}

fn warnings(new: &ServiceAccount, old: Option<&ServiceAccount>) -> Vec<String> {
    let set = |account: &ServiceAccount| account.metadata.annotations.contains_key(MOUNTABLE);
    if !set(new) || old.is_some_and(set) {
        return Vec::new();
    }
    vec![format!(
        "metadata.annotations[{MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    )]
}

impl Strategy for ServiceAccounts {
    type Kind = ServiceAccount;

    fn prepare_for_create(&self, _context: &Context, object: &mut ServiceAccount) {
        keep_names(object);
    }

    fn validate(&self, _context: &Context, object: &ServiceAccount) -> ErrorList {
        validation::validate(object)
    }

    fn warnings_on_create(&self, _context: &Context, object: &ServiceAccount) -> Vec<String> {
        warnings(object, None)
    }

    fn prepare_for_update(&self, _context: &Context, new: &mut ServiceAccount, _old: &ServiceAccount) {
        keep_names(new);
    }

    fn validate_update(&self, _context: &Context, new: &ServiceAccount, old: &ServiceAccount) -> ErrorList {
        validation::validate_update(new, old)
    }

    fn warnings_on_update(
        &self,
        _context: &Context,
        new: &ServiceAccount,
        old: &ServiceAccount,
    ) -> Vec<String> {
        warnings(new, Some(old))
    }

    fn columns(&self) -> &'static [Column] {
        columns::COLUMNS
    }

    fn row(&self, object: &ServiceAccount, now: jiff::Timestamp) -> Row {
        columns::row(object, now)
    }
}
