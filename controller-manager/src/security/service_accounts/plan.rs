//! Decides whether the ServiceAccount is to be made.

use api_types::core::v1::ServiceAccount;
use runtime::{Action, Plan};

use super::gather::Inputs;

/// The name every namespace has.
pub(super) const DEFAULT: &str = "default";

pub(super) fn plan(inputs: &Inputs) -> Plan {
    if inputs.has_default || inputs.namespace.status.phase != "Active" {
        return Plan::nothing();
    }
    let mut account = ServiceAccount::default();
    account.metadata.name = DEFAULT.to_owned();
    account.metadata.namespace.clone_from(&inputs.namespace.metadata.name);
    Plan::of(vec![Action::create(account).existing_is_done()])
}
